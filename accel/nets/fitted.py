"""Networks that are fitted to scaled data: the loss that training calls, and the model that is kept.

    (1)  x = m + s·x′                   networks see x′; m: the mean of each feature, s: one number for all

Files, copies and pickles of a model all go through one description of it in plain values.

Example
-------
>>> import numpy as np
>>> from accel.nets import fitted
>>> from accel.representation import autoencoder
>>> x = np.random.default_rng(0).standard_normal((20, 3))
>>> model = autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(4,), max_epochs=1)
>>> fitted.describe(model)["activation"]
'tanh'
>>> again = fitted.restore(autoencoder.Autoencoder, fitted.describe(model))
>>> bool((again.transform(x) == model.transform(x)).all())
True
"""
import os
from typing import NamedTuple

from accel.nets import dense
from accel.runtime import persistence
from accel.runtime.protocols import Array, Params
from accel.runtime.tree import frozen

__all__ = []
SHARED = ["FittedNetwork", "describe", "load", "restore"]
__all__ += SHARED


class FittedNetwork(NamedTuple):
    """A network, or several, fitted to scaled data.

    Attributes
    ----------
    params : tree
        Frozen.
    mean : (D, …) float
    scale : float
        m and s of x = m + s·x′, in the units of x.
    activation : Activation
        From `nets.dense`.
    history : dict of list of float
        The losses of each epoch, see `training`.
    """
    params: Params
    mean: Array
    scale: float
    activation: dense.Activation
    history: dict

    def save(self, path: str | os.PathLike) -> None:
        """Write to a .npz file, which either package loads.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If the activation is not one of `nets.dense`.
        """
        persistence.save(path, self.kind, describe(self))

    def __reduce__(self):
        return restore, (type(self), describe(self))

    def _moved(self, move):
        """For `device.put`."""
        return self._replace(params=move(self.params), mean=move(self.mean))

def describe(model):
    """The fields of a fitted network, its activation by name; ValueError if no name stands for it."""
    return {**model._asdict(), "activation": dense.activation_named(model.activation.name).name}


def restore(kind, description):
    """The model of class `kind` that was described: its parameters frozen, its activation found by name."""
    return kind(**{**description, "params": frozen(description["params"]),
                   "activation": dense.activation_named(description["activation"])})


def load(kind, path):
    """The model of class `kind` that its `save` wrote."""
    return restore(kind, persistence.load(path, kind.kind))
