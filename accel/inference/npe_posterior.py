"""The posterior of `inference.npe`: its draws and densities for any observation, saved and loaded.

The mathematics is in `reference.inference.npe_posterior`. Same values, in the dtype and on the device of the
simulations. Each observation is embedded once, whatever the number of its draws. On a device one kernel takes
the draws back through (8), in place (`kernels/posterior`).

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import npe
>>> rng = np.random.default_rng(0)
>>> theta = rng.uniform(0.0, 1.0, (300, 1))
>>> prior, x = priors.BoxUniform([0.0], [1.0]), theta + 0.1 * rng.standard_normal((300, 1))
>>> posterior = npe.fit(prior, theta, x, rng=rng, n_transforms=1, hidden=(8,), max_epochs=2)
>>> draws = posterior.sample(rng, 500, np.array([[0.2], [0.9], [1.3]]))
>>> print(draws.shape, bool(((draws > 0) & (draws < 1)).all()))
(3, 500, 1) True
>>> print(posterior.log_prob(np.array([[1.5]]), x[0]), posterior.distance(np.array([9.0])).round() > 1)
[-inf] [ True]
"""
from dataclasses import dataclass
from os import PathLike

import numpy as np

from accel import priors
from accel.device import array_module
from accel.inference import _prior_columns
from accel.inference.description import Described, restore
from accel.inference.inputs import check_each, check_observation, data_mean, seen
from accel.kernels import cuda
from accel.kernels.posterior import launch as posterior_kernel
from accel.nets import dense
from accel.preprocessing.regression import Regression
from accel.preprocessing.scaling import Scaling
from accel.preprocessing.training_domain import TrainingDomain, features
from accel.representation.pca import PCA
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array, Density, Params, Prior, Rng

__all__ = []
SHARED = ["Posterior", "load", "embed", "draw", "distance"]
__all__ += SHARED


@dataclass(frozen=True, eq=False)
class Posterior(Described):
    """A trained posterior, for any observation, on the device and in the dtype of its simulations.

    Attributes
    ----------
    prior
        From `priors`; it bounds every sample.
    density : module
        The flow's: `maf`, `nsf` or `realnvp`; or `mdn`.
    params : tree
        Of the embedding and the flow.
    whitening : Regression
        Of T(θ) on the context.
    compression : PCA or None
        Of the data, if asked for.
    scaling : Scaling
        Of the data, or of their PCA scores.
    validation_log_prob : float
        Mean log q(θ|x) over the simulations held out in training, nats; NaN when none were.
    history : dict
        The losses of the training, epoch by epoch, in nats of the whitened v.
    training_domain : TrainingDomain or None
        The region that the simulations cover; None in files of versions before it was measured.
    """
    prior: Prior
    density: Density
    params: Params
    whitening: Regression
    compression: PCA | None
    scaling: Scaling
    validation_log_prob: float
    history: dict
    training_domain: TrainingDomain | None = None
    kind = "npe"

    def context(self, x: Array) -> Array:
        """c, the data or their PCA scores, standardised, (M, C).

        Parameters
        ----------
        x : (M, D) float
            Data.
        """
        return seen(self, x)                                          # (3)

    def sample(self, rng: Rng, n: int, x: Array) -> Array:
        """Draws of θ for one observation, (n, P), or for each of M, (M, n, P).

        Parameters
        ----------
        rng : Generator
        n : int
            Draws for each observation.
        x : (D,) or (M, D) float
            One observation, or M of them.

        Raises
        ------
        ValueError
            If x has another length or is not finite, or n is less than one.
        """
        x, single = check_observation(x, data_mean(self))
        theta = draw(self, rng, checks.check_count("n", n), x)
        return theta[0] if single else theta

    def log_prob(self, theta: Array, x: Array) -> Array:
        """log q(θ|x), (N,), in nats; −inf outside the prior.

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
        u, log_det, inside = priors.unconstrained_inside(self.prior, theta)
        c = self.context(x)
        v, context = self.whitening.whiten(u, c), embed(self.params, c)
        xp = array_module(u)
        context = xp.repeat(context, len(theta), axis=0) if single else context
        log_q = self.density.log_prob(self.params["flow"], v, context)
        return xp.where(inside, log_q + log_det + self.whitening.log_det, -np.inf)            # (7)

    def distance(self, x: Array) -> Array:
        """The distance of data from the simulations, (M,); one simulation in a thousand has more than 1.

        Parameters
        ----------
        x : (D,) or (M, D) float

        Raises
        ------
        ValueError
            If x has another length or is not finite, or the posterior has no training domain.
        """
        x, _ = check_observation(x, data_mean(self))
        if self.training_domain is None:
            raise ValueError("training_domain: expected a TrainingDomain, got none: this posterior was saved "
                             "by a version that did not measure it")
        return distance(self, x)


def embed(params, c):
    """e(c), (N, C′): the output of the embedding network, or c where there is none."""
    return dense.mlp(params["embedding"], c) if params["embedding"] else c


def draw(posterior, rng, n, x):
    """n draws of θ for each row of x (M, D), which is not checked (no synchronisation): (M, n, P)."""
    c = posterior.context(x)
    v = posterior.density.sample(posterior.params["flow"], rng, n, embed(posterior.params, c))
    prior, whitening = posterior.prior, posterior.whitening
    if (columns := columns_of(prior, v)) is not None:
        return posterior_kernel.finish(columns, v, whitening.mean(c), whitening.factor)               # (8)
    u = whitening.undo(v, c)
    theta, _ = prior.to_constrained(u.reshape(-1, u.shape[-1]))                               # (8)
    return theta.reshape(*u.shape[:2], -1)


def columns_of(prior, v):
    """The prior's columns for the kernel that maps v (M, n, P) to θ, None where array code is to run."""
    if not cuda.wanted(array_module(v)):
        return None
    columns = _prior_columns.mapped(prior, v.dtype)
    if columns is None or not posterior_kernel.fits(v):
        return cuda.fall_back(f"posterior samples: {type(prior).__name__} of {prior.dim} parameters, as a "
                              "prior, has no kernel")
    return columns


def distance(posterior, x):
    """The distance of each row of x (M, D), which is not checked, from the simulations: (M,)."""
    return posterior.training_domain.distance(features(x, posterior.context(x), posterior.compression))


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
