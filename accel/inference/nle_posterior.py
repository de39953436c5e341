"""The posterior of `inference.nle`: the likelihood of any data, and draws from the posterior that it implies.

The mathematics is in `reference.inference.nle_posterior`. Same values, in the dtype and on the device of the
simulations. A sampler evaluates one observation many times: what does not depend on θ is computed once for
it, and the T observations of one θ go through the density as one batch of T·N rows. With A₀ and A₁ the
constant's row of A and the others,

    v  = v₀ − c B,   v₀ = L⁻¹ (y − A₀),   B = A₁ L⁻ᵀ          (3)
    du = (dc − dv Bᵀ)/s                                       (6), dv and dc from the density's backward pass

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import nle
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((300, 1))
>>> x = theta + 0.5 * rng.standard_normal((300, 1))
>>> posterior = nle.fit(priors.Normal([0.0], [1.0]), theta, x, rng=rng, n_transforms=1, max_epochs=2)
>>> print(posterior.log_likelihood(theta[:2], x[:9], iid=True).shape)
(2,)
"""
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from os import PathLike
from types import ModuleType

import numpy as np

from accel import priors
from accel.device import array_module
from accel.inference import hmc, run_chains
from accel.inference.description import Described, restore
from accel.inference.inputs import check_each, check_observation, data_mean, seen
from accel.preprocessing.regression import Regression
from accel.preprocessing.scaling import Scaling
from accel.representation.pca import PCA
from accel.runtime import persistence
from accel.runtime.protocols import Array, Density, Params, Prior, Rng

__all__ = []
SHARED = ["Posterior", "load"]
__all__ += SHARED


@dataclass(frozen=True, eq=False)
class Posterior(Described):
    """A trained likelihood and its prior: the posterior for any observation, up to its normalisation.

    Attributes
    ----------
    prior
        From `priors`; it bounds every sample.
    density, params : module, tree
        The likelihood's, `maf`, `nsf`, `realnvp` or `mdn`, and its parameters.
    standardisation : Scaling
        Of T(θ).
    whitening : Regression
        Of the data on T(θ).
    compression, scaling : PCA or None, Scaling
        Of the data, if asked for; of the data, or of their PCA scores.
    validation_log_prob : float
        Mean log q(x|θ) over the simulations held out in training, nats; NaN when none were.
    history : dict
        The losses of the training, epoch by epoch, in nats of the whitened v.
    """
    prior: Prior
    density: Density
    params: Params
    standardisation: Scaling
    whitening: Regression
    compression: PCA | None
    scaling: Scaling
    validation_log_prob: float
    history: dict
    kind = "nle"

    def summary(self, x: Array) -> Array:
        """y of (3): the data or their PCA scores, standardised, (M, C).

        Parameters
        ----------
        x : (M, D) float
            Data.
        """
        return seen(self, x)

    def log_likelihood(self, theta: Array, x: Array, *, iid: bool = False) -> Array:
        """log q(x|θ), (N,), in nats; −inf outside the prior, where there was no training.

        Parameters
        ----------
        theta : (N, P) float
        x : (D,) or (N, D) or (T, D) float
            One observation, or one for each theta; with iid=True, T independent observations of one θ.
        iid : bool
            Add the terms of all observations, as in (7).

        Raises
        ------
        ValueError
            If shapes do not fit or x is not finite.
        """
        x, single = check_observation(x, data_mean(self))
        theta = check_each(self.prior, theta, x, single or iid, hint=", or iid=True")
        u, _, inside = priors.unconstrained_inside(self.prior, theta)
        rest, slopes = self._fixed(x)
        log_q = self._log_q(rest[:, None] if single or iid else rest[None], slopes, u)
        return array_module(u).where(inside, log_q, -np.inf)

    def log_prob(self, theta: Array, x: Array, *, iid: bool = False) -> Array:
        """log q(x|θ) + log p(θ), (N,): log p(θ|x) up to a constant; arguments as in log_likelihood."""
        return self.log_likelihood(theta, x, iid=iid) + self.prior.log_prob(theta)            # (7)

    def target(self, x: Array, *, iid: bool = False) -> run_chains.Target:
        """The density (7) that a sampler draws from.

        Parameters
        ----------
        x : (D,) or (T, D) float
            One observation; with iid=True, T independent observations of one θ.
        iid : bool

        Raises
        ------
        ValueError
            If x has another shape or is not finite.
        """
        x, single = check_observation(x, data_mean(self))
        if not single and not iid:
            raise ValueError(f"x: expected one observation ({x.shape[1]},), or several of one theta and "
                             f"iid=True, got {len(x)}")
        rest, slopes = self._fixed(x)
        known = rest[:, None], slopes
        own = deepcopy(self)                                          # the target shares nothing with it
        return run_chains.Target(own.prior, partial(own._log_q, *known),
                                 partial(own._log_q_and_grad, *known))

    def sample(self, rng: Rng, n: int, x: Array, *, iid: bool = False, sampler: ModuleType = hmc,
               n_chains: int = 50, n_warmup: int = 200, thin: int = 10, n_candidates: int = 10_000,
               progress: bool = False) -> Array:
        """Draws of θ for one observation, (n, P), or for each of M, one after another, (M, n, P).

        Parameters
        ----------
        rng : Generator
        n : int
            Draws for each observation.
        x : (D,) or (M, D) float
            One observation, or M of them.
        iid : bool
            Whether the rows of x are independent observations of one θ: the draws are then (n, P).
        sampler : module
            `hmc`, which uses (6), or another of `run_chains.sample`'s.
        n_chains, n_warmup, thin, n_candidates, progress
            As in `run_chains.sample`.

        Raises
        ------
        ValueError
            If x has another length or is not finite, or n is less than one.
        """
        x, single = check_observation(x, data_mean(self))
        settings = {"sampler": sampler, "n_chains": n_chains, "n_warmup": n_warmup, "thin": thin,
                    "n_candidates": n_candidates, "progress": progress}
        theta = [run_chains.sample(rng, self.target(one, iid=True), n, **settings).theta
                 for one in (x[None] if single or iid else x[:, None])]
        return theta[0] if single or iid else array_module(*theta).stack(theta)

    def _fixed(self, x):
        """v₀ for data x (M, D), (M, C), and B (P′, C)."""
        inverse = array_module(x).linalg.inv(self.whitening.factor).T
        coefficients = self.whitening.coefficients
        return (self.summary(x) - coefficients[0]) @ inverse, coefficients[1:] @ inverse

    def _log_q(self, rest, slopes, u):
        """∑ₜ log q(xₜ|θ), (N,), for v₀ (T, N or 1, C), B and u (N, P′)."""
        v, context, _ = self._pairs(rest, slopes, u)
        return self._summed(self.density.log_prob(self.params, v, context), len(rest))

    def _log_q_and_grad(self, rest, slopes, u):
        """The same, and its gradient in u, (N, P′)."""
        v, context, shape = self._pairs(rest, slopes, u)
        log_q, dv, dc = self.density.log_prob_and_grad(self.params, v, context)
        dc -= dv @ slopes.T
        du = dc.reshape(len(rest), *shape).sum(axis=0)
        du /= self.standardisation.std                                                        # (6)
        return self._summed(log_q, len(rest)), du

    def _pairs(self, rest, slopes, u):
        """v and c for each θ and each of its T observations, (T·N, C) and (T·N, P′), and the shape of u."""
        c = self.standardisation.apply(u)                                                     # (2)
        v = rest - c @ slopes                                                                 # (3)
        return v.reshape(-1, v.shape[-1]), array_module(u).tile(c, (len(rest), 1)), c.shape

    def _summed(self, log_q, n_each):
        """log q_φ summed over the observations, with the constants of (5)."""
        constant = self.whitening.log_det + self.scaling.log_det
        return log_q.reshape(n_each, -1).sum(axis=0) + n_each * constant                      # (5)


def load(path: str | PathLike) -> Posterior:
    """The posterior that `Posterior.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    OSError
        If there is no such file, or it cannot be opened.
    ValueError
        If it holds anything else, or was written by a newer version.
    """
    return restore(Posterior, persistence.load(path, Posterior.kind))
