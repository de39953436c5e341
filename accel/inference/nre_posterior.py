"""The posterior of `inference.nre`: the ratio at any θ and x, and draws from the posterior that it implies.

The mathematics is in `reference.inference.nre_posterior`. Same values, in the dtype and on the device of the
simulations; what the classifier needs of an observation is computed once for all candidates and all steps of
a chain (`_ratio_rows`).

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import nre
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((300, 1))
>>> x = theta + 0.5 * rng.standard_normal((300, 1))
>>> posterior = nre.fit(priors.Normal([0.0], [1.0]), theta, x, rng=rng, hidden=(8,), max_epochs=2)
>>> print(abs(posterior.candidates(rng, 5000, np.array([1.0])).log_mean_weight) < 0.5)             # (3)
True
"""
from copy import deepcopy
import math
from dataclasses import dataclass
from functools import partial
from os import PathLike
from types import ModuleType

import numpy as np

from accel import priors
from accel.device import array_module, like
from accel.inference import _ratio_rows as rows
from accel.inference import importance, run_chains
from accel.inference.description import Described, restore
from accel.inference.inputs import check_each, check_observation, data_mean, seen
from accel.preprocessing.regression import Regression
from accel.preprocessing.scaling import Scaling
from accel.representation.pca import PCA
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array, Params, Prior, Rng

__all__ = []
SHARED = ["Posterior", "load"]
__all__ += SHARED


@dataclass(frozen=True, eq=False)
class Posterior(Described):
    """A trained ratio, and with it the posterior for any observation, where its simulations were.

    Attributes
    ----------
    prior
        From `priors`; it bounds every sample.
    params, regression : tree, Regression
        Of the network; of T(θ) on the context.
    compression, scaling : PCA or None, Scaling
        Of the data, if asked for; of the data, or of their PCA scores.
    history : dict
        The losses of the training, epoch by epoch.
    """
    prior: Prior
    params: Params
    regression: Regression
    compression: PCA | None
    scaling: Scaling
    history: dict
    kind = "nre"

    def context(self, x: Array) -> Array:
        """c, the data or their PCA scores, standardised as in training, (M, C).

        Parameters
        ----------
        x : (M, D) float
            Data.
        """
        return seen(self, x)

    def log_ratio(self, theta: Array, x: Array) -> Array:
        """log r(x, θ), (N,), in nats; −inf outside the prior.

        Parameters
        ----------
        theta : (N, P) float
        x : (D,) or (N, D) float
            One observation, or one for each theta.

        Raises
        ------
        ValueError
            If shapes do not fit or x is not finite.
        """
        x, single = check_observation(x, data_mean(self))
        theta = check_each(self.prior, theta, x, single)
        u, _, inside = priors.unconstrained_inside(self.prior, theta)
        log_r = self._log_r(self._x_rows(x), None, u)                                         # (1)
        return array_module(u).where(inside, log_r, -np.inf)

    def log_prob(self, theta: Array, x: Array) -> Array:
        """log p(θ|x), (N,), in nats, normalised as far as (3) holds; arguments as in log_ratio."""
        return self.log_ratio(theta, x) + self.prior.log_prob(theta)                          # (2)

    def candidates(self, rng: Rng, n: int, x: Array) -> importance.Weighted:
        """Candidates for posterior draws, half of them from the prior, and their weights (4).

        Parameters
        ----------
        rng : Generator
        n : int
            Two or more.
        x : (D,) float
            One observation.

        Raises
        ------
        ValueError
            If x has another shape or is not finite, or n is less than two.
        """
        x, _ = check_observation(checks.as_array("x", x, ("D",)), data_mean(self))
        c, n_prior = self.context(x), (checks.check_count("n", n, least=2) + 1) // 2
        of_prior = self.prior.to_unconstrained(self.prior.sample(rng, n_prior))[0]
        z = rng.standard_normal((1, n - n_prior, self.prior.unconstrained_dim))
        u = array_module(c).empty((n, z.shape[2]), c.dtype)
        u[:n_prior], u[n_prior:] = like(c, of_prior), self.regression.undo(like(c, z), c)[0]
        theta_rows = rows.theta_rows_of(self.prior, self.regression, u)
        x_rows = rows.x_rows_of(self.regression, c)
        log_r0 = rows.linear_log_ratio(theta_rows, x_rows)
        log_weight = rows.log_ratio(self.params, theta_rows, x_rows)
        log_weight -= array_module(c).logaddexp(log_r0, 0, out=log_r0)
        log_weight += math.log(2)                                                             # (4)
        return importance.weigh(self.prior.to_constrained(u)[0], log_weight)

    def target(self, x: Array) -> run_chains.Target:
        """The density (2) that a sampler draws from.

        Parameters
        ----------
        x : (D,) float
            One observation.

        Raises
        ------
        ValueError
            If x has another shape or is not finite.
        """
        x, _ = check_observation(checks.as_array("x", x, ("D",)), data_mean(self))
        known = self._x_rows(x), rows.inverse_of(self.regression)
        own = deepcopy(self)                                          # the target shares nothing with it
        return run_chains.Target(own.prior, partial(own._log_r, *known),
                                 partial(own._log_r_and_grad, *known))

    def sample(self, rng: Rng, n: int, x: Array, *, sampler: ModuleType | None = None,
               n_candidates: int = 100_000, n_chains: int = 50, n_warmup: int = 200, thin: int = 10,
               progress: bool = False) -> Array:
        """Draws of θ for one observation, (n, P), or for each of M, one after another, (M, n, P).

        Parameters
        ----------
        rng : Generator
        n : int
            Draws for each observation.
        x : (D,) or (M, D) float
            One observation, or M of them.
        sampler : module, optional
            By default none: draws are resampled from n_candidates weighted ones, with a warning where these
            are worth fewer. One of `run_chains.sample`'s is cheaper where the posterior is narrow.
        n_candidates, n_chains, n_warmup, thin, progress
            As in `run_chains.sample`; the last four are for a sampler.

        Raises
        ------
        ValueError
            If x has another length or is not finite, or n is less than one.
        """
        x, single = check_observation(x, data_mean(self))
        checks.check_count("n", n)
        if sampler is None:
            drawn = [importance.resample(rng, n, self.candidates(rng, n_candidates, one)) for one in x]
        else:
            settings = {"sampler": sampler, "n_chains": n_chains, "n_warmup": n_warmup, "thin": thin,
                        "n_candidates": n_candidates, "progress": progress}
            drawn = [run_chains.sample(rng, self.target(one), n, **settings).theta for one in x]
        return drawn[0] if single else array_module(x).stack(drawn)

    def _log_r(self, x_rows, inverse, u):
        theta_rows = rows.theta_rows_of(self.prior, self.regression, like(x_rows, u), inverse)
        return rows.log_ratio(self.params, theta_rows, x_rows)

    def _log_r_and_grad(self, x_rows, inverse, u):
        u = like(x_rows, u)
        theta_rows = rows.theta_rows_of(self.prior, self.regression, u, inverse)
        f, drows = rows.log_ratio_and_grad(self.params, theta_rows, x_rows)
        return f, rows.grad_in_u(self.prior, inverse, u, drows)

    def _x_rows(self, x):
        return rows.x_rows_of(self.regression, self.context(x))


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
