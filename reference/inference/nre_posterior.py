"""The posterior of `inference.nre`: the ratio at any θ and x, and draws from the posterior that it implies.

    (1)  log r(x, θ) = f(u, c),   u = T(θ),  c = c(x)         the logit of a classifier (inference.ratio)
    (2)  p(θ|x) = r(x, θ) p(θ)
    (3)  ∫ r(x, θ) p(θ) dθ = 1                                not enforced by the training: a check of r
    (4)  u ~ ½ p(u) + ½ N(u; [1, c] A, L Lᵀ),   w = r/(½ + ½ r₀)

Draws are resampled from candidates by (4). Those from the prior cover all of the posterior; those from the
regression behind r₀ are near it where it is narrow. No weight exceeds 2r.

Shapes        M observations, n draws; θ (N, P), x (D,) or (M, D), c (M, C).
Conventions   nats; the formulas are numbered as in `inference.nre`.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import nre
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((300, 1))
>>> x = theta + 0.5 * rng.standard_normal((300, 1))
>>> posterior = nre.fit(priors.Normal([0.0], [1.0]), theta, x, rng=rng, hidden=(8,), max_epochs=2)
>>> print(abs(posterior.candidates(rng, 5000, np.array([1.0])).log_mean_weight) < 0.5)             # (3)
True
"""
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from os import PathLike
from types import ModuleType

import numpy as np

from reference import priors
from reference.inference import importance, ratio, run_chains
from reference.inference.description import Described, restore
from reference.inference.inputs import check_each, check_observation, data_mean, seen
from reference.preprocessing.regression import Regression
from reference.preprocessing.scaling import Scaling
from reference.representation.pca import PCA
from reference.runtime import checks, persistence
from reference.runtime.protocols import Array, Params, Prior, Rng

__all__ = []
SHARED = ["Posterior", "load"]
__all__ += SHARED


@dataclass(frozen=True, eq=False)
class Posterior(Described):
    """A trained ratio, and with it the posterior for any observation.

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
        u, _, inside = priors.unconstrained_inside(self.prior, check_each(self.prior, theta, x, single))
        return np.where(inside, self._log_r(self.context(x), u), -np.inf)                     # (1)

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
        c = self.context(check_observation(checks.as_array("x", x, ("D",)), data_mean(self))[0])
        n_prior = (checks.check_count("n", n, least=2) + 1) // 2
        of_prior = self.prior.to_unconstrained(self.prior.sample(rng, n_prior))[0]
        z = rng.standard_normal((1, n - n_prior, self.prior.unconstrained_dim))
        u = np.concatenate((of_prior, self.regression.undo(z, c)[0]))
        log_r0 = ratio.linear_log_ratio(u, c, prior=self.prior, regression=self.regression)
        log_weight = self._log_r(c, u) - np.logaddexp(log_r0, 0) + np.log(2)                  # (4)
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
        c, own = self.context(x), deepcopy(self)                      # the target shares nothing with it
        return run_chains.Target(own.prior, partial(own._log_r, c), partial(own._log_r_and_grad, c))

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
        return drawn[0] if single else np.stack(drawn)

    def _log_r(self, c, u):
        return ratio.log_ratio(self.params, u, c, prior=self.prior, regression=self.regression)

    def _log_r_and_grad(self, c, u):
        return ratio.log_ratio_and_grad(self.params, u, c, prior=self.prior, regression=self.regression)


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
