"""Posterior under a Gaussian likelihood: a model, its noise, and a sampler; the standard Bayesian method.

The mathematics is in `reference.inference.gaussian_likelihood`. Same values; for each target the Cholesky
factor K of the covariance, C = K Kᵀ, is inverted once, on the host in float64, and brought to where the
observation lives. A batch then costs one product w = K⁻¹ r with the residuals r = x − m, from which

    ln L = −½ ‖w‖² − ln|K| − ½ D ln 2π,   C⁻¹ r = K⁻ᵀ w

where the reference solves for every batch. With variances alone w is the residual over the standard
deviations, in place.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference.gaussian_likelihood import Posterior
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
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Prior, Rng
from accel.device import array_module, like
from accel.inference import hmc, run_chains, slice_sampler
from accel.inference.chains import Sampler
from accel.inference.covariance import check_covariance

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
        x = check_data(self, x)
        theta = like(x, checks.as_array("theta", theta, ("N", self.prior.dim)))
        return self._gaussian(theta, x, noise_like(x, self.covariance))[0]

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
        theta, x = checks.as_array("theta", theta, ("N", self.prior.dim)), check_data(self, x)
        xp, theta = array_module(x), like(x, theta)
        centre = self.prior.to_constrained(xp.zeros((1, self.prior.unconstrained_dim), dtype=x.dtype))[0]
        log_prob = self.log_likelihood(xp.where(self.prior.contains(theta)[:, None], theta, centre), x)
        log_prob += self.prior.log_prob(theta)
        return log_prob

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
        fixed = {"x": x, "noise": noise_like(x, self.covariance)}
        with_grad = functools.partial(self._log_likelihood_and_grad, **fixed) if self.model_vjp else None
        return run_chains.Target(self.prior, functools.partial(self._log_likelihood, **fixed), with_grad)

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
        return theta[0] if x.ndim == 1 else array_module(x).stack(theta)

    def _gaussian(self, theta, x, noise):
        """(2), (N,), and the whitened residual w, (N, D)."""
        white = noise.whiten(x - checks.as_array("model(theta)", self.model(theta), (len(theta), len(x))))
        value = array_module(white).einsum("ij,ij->i", white, white)
        value *= -0.5
        value += noise.log_norm                                                                          # (2)
        return value, white

    def _log_likelihood(self, u, *, x, noise):
        """ln L at θ(u), (N,)."""
        return self._gaussian(self.prior.to_constrained(like(x, u))[0], x, noise)[0]

    def _log_likelihood_and_grad(self, u, *, x, noise):
        """ln L at θ(u), (N,), and its gradient with respect to u, (N, d′)."""
        u = like(x, u)
        theta, _ = self.prior.to_constrained(u)
        value, white = self._gaussian(theta, x, noise)
        pull = noise.back(white)
        return value, self.prior.to_constrained_vjp(u, self.model_vjp(theta, pull))                      # (4)


class Noise(NamedTuple):
    """K⁻ᵀ (D, D), or the inverse standard deviations (D,), where the data live, and −½ ln|2πC|."""
    whitener: Array
    log_norm: float

    def whiten(self, r: Array) -> Array:
        """w = K⁻¹ r, row by row; r is overwritten."""
        if self.whitener.ndim == 2:
            return r @ self.whitener
        r *= self.whitener
        return r

    def back(self, w: Array) -> Array:
        """K⁻ᵀ w = C⁻¹ r, row by row; w is overwritten."""
        if self.whitener.ndim == 2:
            return w @ self.whitener.T
        w *= self.whitener
        return w


def noise_like(x: Array, covariance: Array) -> Noise:
    """The noise of a covariance, or of variances, where x lives."""
    whitener = np.linalg.inv(np.linalg.cholesky(covariance)).T if covariance.ndim == 2 else covariance**-0.5
    diagonal = np.diagonal(whitener) if covariance.ndim == 2 else whitener
    log_norm = float(np.log(diagonal).sum() - 0.5 * len(diagonal) * np.log(2 * np.pi))
    return Noise(like(x, whitener), log_norm)


def check_data(posterior: Posterior, x: Array) -> Array:
    """One observation as a finite array of the covariance's length, or a ValueError."""
    x = checks.as_array("x", x, (len(posterior.covariance),))
    checks.check_finite("x", x)
    return x
