"""Standard Bayesian inference: a model, a Gaussian likelihood, and a sampler.

    (1)  x = m(θ) + N(0, C)                                       m: the model; C: a covariance that does not depend on θ
    (2)  ln L = −½ (x − m(θ))ᵀ C⁻¹ (x − m(θ)) − ½ ln|2πC|
    (3)  p(θ|x) = L p(θ)/p(x),   p(x) = ∫ L p(θ) dθ                the evidence, where the sampler gives it
    (4)  ∂ln L/∂θ = (∂m/∂θ)ᵀ C⁻¹ (x − m(θ))                       what `hmc` needs: the model's own derivative, `model_vjp`

Every observation is a run of its own: nothing is amortised, and nothing approximate but the number of draws.

Shapes        N parameter sets, P parameters, D data; θ (N, P), m and x (N, D), C (D, D) or its diagonal (D,).
Conventions   nats. C is in the square of the data's units.
Source        lectures S0 and S2, slides on Bayesian inference; lecture S3, slide on the likelihood.
Departures    S0 and S2 write ln L = (x − m)ᵀ C⁻¹ (x − m): without the minus the worst fit would be the best, without the half the
              posterior is √2 too narrow, and without ½ ln|2πC| the evidence means nothing. S3 has the form (2).
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.runtime import checks
from reference.inference import hmc, run_chains, slice_sampler

__all__ = ["Posterior"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of a model with Gaussian noise, for any observation.

    Attributes
    ----------
    prior
        From `priors`.
    model : callable
        θ (N, P) → m(θ) (N, D), without noise.
    covariance : (D, D) or (D,) float
        C, symmetric and positive definite, or the variances on its diagonal.
    model_vjp : callable, optional
        (θ (N, P), dm (N, D)) → dtheta (N, P): a gradient with respect to m, carried back to θ.

    Raises
    ------
    ValueError
        If the covariance is not finite, not square, not symmetric or not positive definite.
    """
    prior: object
    model: Callable
    covariance: np.ndarray
    model_vjp: Callable | None = None

    def __post_init__(self):
        object.__setattr__(self, "covariance", check_covariance(self.covariance))

    def log_likelihood(self, theta, x):
        """ln L, (N,), for θ (N, P) and one observation x (D,)."""
        return self._gaussian(theta, check_data(self, x))[0]

    def log_prob(self, theta, x):
        """ln L + ln p(θ), (N,): the posterior up to the evidence, for θ (N, P) and one observation x (D,); −inf outside the prior."""
        theta = checks.as_array("theta", theta, ("N", self.prior.dim))
        inside = self.prior.contains(theta)
        centre = self.prior.to_constrained(np.zeros((1, self.prior.unconstrained_dim)))[0]
        return self.log_likelihood(np.where(inside[:, None], theta, centre), x) + self.prior.log_prob(theta)

    def target(self, x):
        """What a sampler walks on for one observation x (D,): an `mcmc.Target`, with a gradient if there is a `model_vjp`."""
        x = check_data(self, x)

        def log_likelihood(u):
            return self._gaussian(self.prior.to_constrained(u)[0], x)[0]

        def log_likelihood_and_grad(u):
            theta, _ = self.prior.to_constrained(u)
            value, pull = self._gaussian(theta, x)
            return value, self.prior.to_constrained_vjp(u, self.model_vjp(theta, pull))                  # (4)
        return run_chains.Target(self.prior, log_likelihood, log_likelihood_and_grad if self.model_vjp else None)

    def draws(self, rng, n, x, *, sampler=slice_sampler, n_chains=50, n_warmup=200, thin=10, n_least=200, n_candidates=10_000,
              progress=False):
        """n draws for one observation x (D,) with R̂, effective sample size and, where the sampler gives it, the evidence.

        Parameters
        ----------
        rng : Generator
        n : int
        x : (D,) float
        sampler : module
            `slice_sampler`, `hmc`, `emcee_sampler` or `nested_sampler`; the last gives the evidence.
        n_chains, n_warmup, thin, n_least, n_candidates, progress
            As in `mcmc.sample`, which see for what is raised and warned of.

        Returns
        -------
        run_chains.Draws
        """
        if sampler is hmc and self.model_vjp is None:
            raise ValueError("model_vjp: expected a function (theta, dm) → dtheta, which hmc needs, got None")
        return run_chains.sample(rng, self.target(x), n, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin, n_least=n_least,
                           n_candidates=n_candidates, progress=progress)

    def sample(self, rng, n, x, *, sampler=slice_sampler, n_chains=50, n_warmup=200, thin=10, n_least=200, n_candidates=10_000,
               progress=False):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D), one after another: (M, n, P)."""
        x = checks.as_array("x", x)
        theta = [self.draws(rng, n, one, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin, n_least=n_least,
                            n_candidates=n_candidates, progress=progress).theta for one in (x[None] if x.ndim == 1 else x)]
        return theta[0] if x.ndim == 1 else np.stack(theta)

    def _gaussian(self, theta, x):
        """(2), (N,), and C⁻¹ (x − m), (N, D)."""
        residual = x - checks.as_array("model(theta)", self.model(theta), (len(theta), len(x)))
        if self.covariance.ndim == 1:
            pull, log_det = residual / self.covariance, np.sum(np.log(2 * np.pi * self.covariance))
        else:
            pull, log_det = np.linalg.solve(self.covariance, residual.T).T, np.linalg.slogdet(2 * np.pi * self.covariance)[1]
        return -0.5 * np.sum(residual * pull, axis=1) - 0.5 * log_det, pull                              # (2)


def check_covariance(covariance):
    """The covariance (D, D) or variances (D,) in float64, read-only, or a ValueError."""
    covariance = np.array(checks.as_array("covariance", covariance), dtype=np.float64)
    checks.check_shape("covariance", covariance, ("D", "D") if covariance.ndim == 2 else ("D",))
    checks.check_finite("covariance", covariance)
    if covariance.ndim == 1 and not (covariance > 0).all():
        raise ValueError(f"covariance: expected positive variances, got {covariance.min():g} as the smallest")
    if covariance.ndim == 2:
        if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=0):
            raise ValueError("covariance: expected a symmetric matrix, got one that differs from its transpose")
        try:
            np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            raise ValueError("covariance: expected a positive definite matrix, got one with the smallest eigenvalue "
                             f"{np.linalg.eigvalsh(covariance)[0]:.3g}") from None
    covariance.setflags(write=False)
    return covariance


def check_data(posterior, x):
    """One observation as a finite array, as long as the covariance is wide."""
    x = checks.as_array("x", x, (len(posterior.covariance),))
    checks.check_finite("x", x)
    return x
