"""Neural likelihood estimation: a conditional density of the data given parameters, trained on simulations.

The mathematics is in `reference.inference.nle`. Same values, in the dtype and on the device of the
simulations; the gradient is that of the density (accel.density).

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import nle
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((500, 1))
>>> x = theta + 0.5 * rng.standard_normal((500, 1))
>>> prior = priors.Normal([0.0], [1.0])
>>> posterior = nle.fit(prior, theta, x, rng=rng, n_transforms=1, hidden=(8,), max_epochs=5)

[ -0. -17.]
"""
from collections.abc import Callable
from os import PathLike

from accel.density import maf
from accel.device import array_module, put
from accel.inference import npe
from accel.inference.description import name_of
from accel.inference.inputs import check_simulations, compress
from accel.inference.nle_posterior import Posterior, load
from accel.preprocessing.regression import fit_regression
from accel.preprocessing.scaling import fit_scaling
from accel.runtime.protocols import Array, Density, Prior, Rng
from accel.training import minibatch, optim

__all__ = ["Posterior", "fit", "load"]


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, n_components: int | None = None,
        density: Density = maf, n_transforms: int | None = None, hidden: tuple[int, ...] = (50, 50),
        learning_rate: float = 5e-3, batch_size: int = 200, max_epochs: int = 200, patience: int = 40,
        validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Posterior:
    """Train a likelihood on simulations; they decide the device and the dtype.

    Parameters
    ----------
    prior
        From `priors`. The simulations may come from another density of theta: a likelihood does not depend on
        it.
    theta : (N, P) float
        Parameters, all inside the prior.
    x : (N, D) float
        The simulated data, row by row.
    rng : Generator
        Initial weights, split and shuffles.
    n_components : int, optional
        Learn the density of this number of PCA scores of the data. The data must share a unit, as in
        `npe.fit`.
    density : module
        `density.maf`, `density.nsf`, `density.realnvp` or `density.mdn`.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number. For mdn None.
    hidden : tuple of int
        The hidden sizes of each transform.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm
        As in `training.minibatch.train`.
    schedule, checkpoint, progress
        As in `training.minibatch.train`.

    Raises
    ------
    ValueError
        If there are fewer than 20 simulations, numbers are not finite, a theta is outside the prior, shapes
        do not fit, or the density is none of these.
    """
    name_of(density)
    theta, x = check_simulations(prior, theta, x)
    u, _ = prior.to_unconstrained(theta)
    standardisation = fit_scaling(u)
    compression, scaling, y = compress(x, n_components)
    c = standardisation.apply(u)                                                              # (2)
    whitening = fit_regression(y, c)
    params = npe.init_params(rng, dim=y.shape[1], context_dim=c.shape[1], density=density,
                             n_transforms=n_transforms, hidden=hidden)["flow"]
    params = put(params, array_module(u), u.dtype)
    trained = minibatch.train(
        density, params, (whitening.whiten(y, c), c), rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience, clip_norm=clip_norm,
        validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
        progress=progress)                                                                    # (3), (4)
    validation_log_prob = -trained.loss + float(whitening.log_det) + float(scaling.log_det)
    return Posterior(prior, density, trained.params, standardisation, whitening, compression, scaling,
                     validation_log_prob, trained.history)
