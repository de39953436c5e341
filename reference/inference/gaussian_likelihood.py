"""Posterior under a Gaussian likelihood: a model, its noise, and a sampler; the standard Bayesian method.

    (1)  x = m(θ) + N(0, C)                                       m: the model; C does not depend on θ
    (2)  ln L = −½ (x − m(θ))ᵀ C⁻¹ (x − m(θ)) − ½ ln|2πC|
    (3)  p(θ|x) = L p(θ)/p(x),   p(x) = ∫ L p(θ) dθ                the evidence, from `nested_sampler`
    (4)  ∂ln L/∂θ = (∂m/∂θ)ᵀ C⁻¹ (x − m(θ))                      for `hmc`; ∂m/∂θ is `model_vjp`

Every observation needs a run of its own. Nothing is approximated but by the number of draws.

Shapes        N parameter sets, P parameters, D data; θ (N, P), m and x (N, D), C (D, D) or its diagonal (D,).
Conventions   nats. C is in the square of the data's units.
Source        lectures S0 and S2, slides on Bayesian inference; lecture S3, slide on the likelihood.
Departures    S0 and S2 write ln L = (x − m)ᵀ C⁻¹ (x − m): without the minus the worst fit would be the best,
              without the half the posterior is √2 too narrow, and without ½ ln|2πC| the evidence means
              nothing. S3 has the form (2).

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference.gaussian_likelihood import Posterior
    >>> line = lambda theta: theta @ np.array([[0.0, 1.0, 2.0]])       # x = θ t at three times, noise 0.5
    >>> posterior = Posterior(priors.Normal(0.0, 10.0), line, np.full(3, 0.25))
    >>> posterior.log_likelihood([[1.0], [2.0]], [0.1, 1.0, 1.9]).round(2).tolist()
    [-0.72, -11.52]
    >>> theta = posterior.sample(np.random.default_rng(0), 1000, [0.1, 1.0, 1.9])
    >>> np.allclose((theta.mean(), theta.std()), (0.96, 0.224), atol=0.05)
    True
"""
import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Prior, Rng
from reference.inference import hmc, run_chains, slice_sampler
from reference.inference.chains import Sampler
from reference.inference.covariance import check_covariance

__all__ = ["Posterior"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of a model with Gaussian noise, for any observation.

    Attributes
    ----------
    prior : Prior
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
    prior: Prior
    model: Callable[[Array], Array]
    covariance: Array
    model_vjp: Callable[[Array, Array], Array] | None = None

    def __post_init__(self):
        object.__setattr__(self, "covariance", check_covariance(self.covariance))

    def __reduce__(self):
        return Posterior, (self.prior, self.model, self.covariance, self.model_vjp)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """ln L for one observation, (N,).

        Parameters
        ----------
        theta : (N, P) float
        x : (D,) float

        Raises
        ------
        ValueError
            If a shape does not fit, or x is not finite.
        """
        theta = checks.as_array("theta", theta, ("N", self.prior.dim))
        return self._gaussian(theta, check_data(self, x))[0]

    def log_prob(self, theta: Array, x: Array) -> Array:
        """ln L + ln p(θ) for one observation, (N,); −inf outside the prior.

        Parameters
        ----------
        theta : (N, P) float
        x : (D,) float

        Raises
        ------
        ValueError
            If a shape does not fit, or x is not finite.
        """
        theta = checks.as_array("theta", theta, ("N", self.prior.dim))
        inside = self.prior.contains(theta)
        centre = self.prior.to_constrained(np.zeros((1, self.prior.unconstrained_dim)))[0]
        return self.log_likelihood(np.where(inside[:, None], theta, centre), x) + self.prior.log_prob(theta)

    def target(self, x: Array) -> run_chains.Target:
        """The density that samplers draw from, for one observation, with a gradient if there is a model_vjp.

        Parameters
        ----------
        x : (D,) float

        Raises
        ------
        ValueError
            If its shape does not fit, or it is not finite.
        """
        x = check_data(self, x).copy()
        with_grad = functools.partial(self._log_likelihood_and_grad, x=x) if self.model_vjp else None
        return run_chains.Target(self.prior, functools.partial(self._log_likelihood, x=x), with_grad)

    def draws(self, rng: Rng, n: int, x: Array, *, sampler: Sampler = slice_sampler, n_chains: int = 50,
              n_warmup: int = 200, thin: int = 10, n_least: int = 200, n_candidates: int = 10_000,
              progress: bool = False) -> run_chains.Draws:
        """n draws for one observation, with diagnostics and, from `nested_sampler`, the evidence.

        Parameters
        ----------
        rng : Generator
        n : int
        x : (D,) float
        sampler, n_chains, n_warmup, thin, n_least, n_candidates, progress
            See `run_chains.sample`, also for errors and warnings.

        Raises
        ------
        ValueError
            If x does not fit, the sampler is `hmc` and there is no model_vjp, or a setting is out of range.
        """
        if sampler is hmc and self.model_vjp is None:
            raise ValueError("model_vjp: expected a function (theta, dm) → dtheta, which hmc needs, got None")
        return run_chains.sample(rng, self.target(x), n, sampler=sampler, n_chains=n_chains,
                                 n_warmup=n_warmup, thin=thin, n_least=n_least, n_candidates=n_candidates,
                                 progress=progress)

    def sample(self, rng: Rng, n: int, x: Array, *, sampler: Sampler = slice_sampler, n_chains: int = 50,
               n_warmup: int = 200, thin: int = 10, n_least: int = 200, n_candidates: int = 10_000,
               progress: bool = False) -> Array:
        """n draws of θ: (n, P) for one observation, (M, n, P) for M of them, one after another.

        Parameters
        ----------
        rng : Generator
        n : int
        x : (D,) or (M, D) float
        sampler, n_chains, n_warmup, thin, n_least, n_candidates, progress
            See `run_chains.sample`, also for errors and warnings.

        Raises
        ------
        ValueError
            If x does not fit, the sampler is `hmc` and there is no model_vjp, or a setting is out of range.
        """
        x = checks.as_array("x", x)
        theta = [self.draws(rng, n, one, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin,
                            n_least=n_least, n_candidates=n_candidates, progress=progress).theta
                 for one in (x[None] if x.ndim == 1 else x)]
        return theta[0] if x.ndim == 1 else np.stack(theta)

    def _gaussian(self, theta, x):
        """(2), (N,), and C⁻¹ (x − m), (N, D)."""
        residual = x - checks.as_array("model(theta)", self.model(theta), (len(theta), len(x)))
        if self.covariance.ndim == 1:
            pull, log_det = residual / self.covariance, np.sum(np.log(2 * np.pi * self.covariance))
        else:
            pull = np.linalg.solve(self.covariance, residual.T).T
            log_det = np.linalg.slogdet(2 * np.pi * self.covariance)[1]
        return -0.5 * np.sum(residual * pull, axis=1) - 0.5 * log_det, pull                              # (2)

    def _log_likelihood(self, u, *, x):
        """ln L at θ(u), (N,)."""
        return self._gaussian(self.prior.to_constrained(u)[0], x)[0]

    def _log_likelihood_and_grad(self, u, *, x):
        """ln L at θ(u), (N,), and its gradient with respect to u, (N, d′)."""
        theta, _ = self.prior.to_constrained(u)
        value, pull = self._gaussian(theta, x)
        return value, self.prior.to_constrained_vjp(u, self.model_vjp(theta, pull))                      # (4)


def check_data(posterior: Posterior, x: Array) -> Array:
    """One observation as a finite array of the covariance's length, or a ValueError."""
    x = checks.as_array("x", x, (len(posterior.covariance),))
    checks.check_finite("x", x)
    return x
