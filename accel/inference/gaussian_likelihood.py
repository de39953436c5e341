"""Standard Bayesian inference: a model, a Gaussian likelihood, and a sampler.

The mathematics is in `reference.inference.gaussian_likelihood`. Same values; for each target the Cholesky factor K of the covariance is inverted once,
on the host in float64, and brought to where the observation lives. A batch then costs one product w = K⁻¹ r, from which

    ln L = −½ ‖w‖² − ln|K| − ½ D ln 2π,   C⁻¹ r = K⁻ᵀ w

where the reference solves for every batch. With variances alone w is the residual over the standard deviations, in place.
"""
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, like, to_host
from accel.inference import hmc, run_chains, slice_sampler

__all__ = ["Posterior"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of a model with Gaussian noise, for any observation."""
    prior: object
    model: Callable
    covariance: np.ndarray
    model_vjp: Callable | None = None

    def __post_init__(self):
        object.__setattr__(self, "covariance", check_covariance(self.covariance))

    def log_likelihood(self, theta, x):
        """ln L, (N,), for θ (N, P) and one observation x (D,)."""
        x = check_data(self, x)
        theta = like(x, checks.as_array("theta", theta, ("N", self.prior.dim)))
        return self._gaussian(theta, x, noise_like(x, self.covariance))[0]

    def log_prob(self, theta, x):
        """ln L + ln p(θ), (N,): the posterior up to the evidence, for θ (N, P) and one observation x (D,); −inf outside the prior."""
        theta, x = checks.as_array("theta", theta, ("N", self.prior.dim)), check_data(self, x)
        xp, theta = array_module(x), like(x, theta)
        centre = self.prior.to_constrained(xp.zeros((1, self.prior.unconstrained_dim), dtype=x.dtype))[0]
        log_prob = self.log_likelihood(xp.where(self.prior.contains(theta)[:, None], theta, centre), x)
        log_prob += self.prior.log_prob(theta)
        return log_prob

    def target(self, x):
        """What a sampler walks on for one observation x (D,): an `mcmc.Target`, with a gradient if there is a `model_vjp`."""
        x = check_data(self, x)
        noise = noise_like(x, self.covariance)

        def log_likelihood(u):
            return self._gaussian(self.prior.to_constrained(like(x, u))[0], x, noise)[0]

        def log_likelihood_and_grad(u):
            u = like(x, u)
            theta, _ = self.prior.to_constrained(u)
            value, white = self._gaussian(theta, x, noise)
            return value, self.prior.to_constrained_vjp(u, self.model_vjp(theta, noise.back(white)))
        return run_chains.Target(self.prior, log_likelihood, log_likelihood_and_grad if self.model_vjp else None)

    def draws(self, rng, n, x, *, sampler=slice_sampler, n_chains=50, n_warmup=200, thin=10, n_least=200, n_candidates=10_000,
              progress=False):
        """n draws for one observation x (D,) with R̂, effective sample size and, where the sampler gives it, the evidence."""
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
        return theta[0] if x.ndim == 1 else array_module(x).stack(theta)

    def _gaussian(self, theta, x, noise):
        """(2), (N,), and the whitened residual, (N, D)."""
        mean = checks.as_array("model(theta)", self.model(theta), (len(theta), len(x)))
        white = noise.whiten(x - mean)
        value = array_module(white).einsum("ij,ij->i", white, white)
        value *= -0.5
        value += noise.log_norm
        return value, white


class Noise(NamedTuple):
    """K⁻ᵀ (D, D), or the inverse standard deviations (D,), where the data live, and −½ ln|2πC|."""
    whitener: np.ndarray
    log_norm: float

    def whiten(self, r):
        """w = K⁻¹ r, row by row; r is used up."""
        if self.whitener.ndim == 2:
            return r @ self.whitener
        r *= self.whitener
        return r

    def back(self, w):
        """K⁻ᵀ w = C⁻¹ r, row by row; w is used up."""
        if self.whitener.ndim == 2:
            return w @ self.whitener.T
        w *= self.whitener
        return w


def noise_like(x, covariance):
    """The noise of a covariance, or of variances, where x lives."""
    whitener = np.linalg.inv(np.linalg.cholesky(covariance)).T if covariance.ndim == 2 else covariance**-0.5
    diagonal = np.diagonal(whitener) if covariance.ndim == 2 else whitener
    return Noise(like(x, whitener), float(np.log(diagonal).sum() - 0.5 * len(diagonal) * np.log(2 * np.pi)))


def check_covariance(covariance):
    """The covariance (D, D) or variances (D,) on the host in float64, read-only, or a ValueError."""
    covariance = np.array(to_host(checks.as_array("covariance", covariance)), dtype=np.float64)
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
