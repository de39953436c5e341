"""The posterior of `inference.nle`: the likelihood of any data, and draws from the posterior that it implies.

    (2)  c = (T(θ) − m)/s
    (3)  v = L⁻¹ (y − [1, c] A)                               y: data or their PCA scores, standardised
    (5)  log q(x|θ) = log q_φ(v|c) + log|det ∂v/∂y| + log|det ∂y/∂x|
    (6)  ∂ log q(x|θ)/∂u = [∂ log q_φ/∂c − A₁ L⁻ᵀ ∂ log q_φ/∂v] / s         A₁: A without the constant's row
    (7)  p(θ|x₁ … x_T) ∝ p(θ) ∏ₜ q(xₜ|θ)                      T independent observations of one θ

Shapes        M observations, T of them of one θ, n draws; θ (N, P), u (N, P′), x (M, D).
Conventions   nats; the formulas are numbered as in `inference.nle`.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import nle
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

from reference import priors
from reference.inference import hmc, run_chains
from reference.inference.description import Described, restore
from reference.inference.inputs import check_each, check_observation, data_mean, seen
from reference.preprocessing.regression import Regression
from reference.preprocessing.scaling import Scaling
from reference.representation.pca import PCA
from reference.runtime import persistence
from reference.runtime.protocols import Array, Density, Params, Prior, Rng

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
        (u, _, inside), y = priors.unconstrained_inside(self.prior, theta), self.summary(x)
        return np.where(inside, self._log_q(y[:, None] if single or iid else y[None], u), -np.inf)

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
        y, own = self.summary(x)[:, None], deepcopy(self)             # the target shares nothing with it
        return run_chains.Target(own.prior, partial(own._log_q, y), partial(own._log_q_and_grad, y))

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
        return theta[0] if single or iid else np.stack(theta)

    def _log_q(self, y, u):
        """∑ₜ log q(xₜ|θ), (N,), for y (T, N or 1, C) and u (N, P′)."""
        return sum(self._terms(u, of_t)[0] for of_t in y)

    def _log_q_and_grad(self, y, u):
        return tuple(map(sum, zip(*(self._terms(u, of_t, slope=True) for of_t in y))))

    def _terms(self, u, y, *, slope=False):
        """log q(x|θ) (N,) for u (N, P′) and y (N, C) or (1, C), and its gradient in u (N, P′) or None."""
        c = self.standardisation.apply(u)                                                     # (2)
        v = self.whitening.whiten(y, c)                                                       # (3)
        constant = self.whitening.log_det + self.scaling.log_det
        if not slope:
            return self.density.log_prob(self.params, v, c) + constant, None                  # (5)
        log_q, dv, dc = self.density.log_prob_and_grad(self.params, v, c)
        dy = np.linalg.solve(self.whitening.factor.T, dv.T).T
        du = (dc - dy @ self.whitening.coefficients[1:].T) / self.standardisation.std         # (6)
        return log_q + constant, du


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
