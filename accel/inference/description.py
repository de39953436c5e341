"""Trained posteriors as trees of plain values and arrays, by which they are saved, copied and pickled.

    describe(posterior)  → {field: plain value, array, or tree of these}
    restore(kind, tree)  → the posterior, its parameters frozen

Conventions   a prior is described by `priors`, a density by its short name, a fitted part (PCA, Scaling, …)
              by its fields. Files of version 0.1 name the training domain "support".

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import description, nre
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((30, 1))
>>> posterior = nre.fit(priors.Normal([0.0], [1.0]), theta, theta + 1, rng=rng, hidden=(4,), max_epochs=1)
>>> tree = description.describe(posterior)
>>> print(list(tree), tree["prior"]["name"])
['prior', 'params', 'regression', 'compression', 'scaling', 'history'] Normal
>>> bool(description.restore(nre.Posterior, tree).log_prob(theta, theta[0]).all())
True
"""
from dataclasses import fields, replace
from os import PathLike

from accel import priors
from accel.density import maf, mdn, nsf, realnvp
from accel.preprocessing.regression import Regression
from accel.preprocessing.scaling import Scaling
from accel.preprocessing.training_domain import TrainingDomain
from accel.representation.pca import PCA
from accel.runtime import persistence
from accel.runtime.tree import frozen

__all__ = []
SHARED = ["Described", "describe", "restore", "name_of", "density_of"]
__all__ += SHARED

DENSITIES = {"maf": maf, "mdn": mdn, "nsf": nsf, "realnvp": realnvp}
PARTS = {"whitening": Regression, "regression": Regression, "standardisation": Scaling, "scaling": Scaling,
         "compression": PCA, "training_domain": TrainingDomain}
RENAMED = {"support": "training_domain"}


class Described:
    """A frozen dataclass of these fields; pickle, copy and process pools handle it by its description."""
    kind = None

    def save(self, path: str | PathLike) -> None:
        """Write to a .npz file that either package loads.

        Parameters
        ----------
        path : str or path-like
            The file, exactly as named; its folder must exist.

        Raises
        ------
        OSError
            If the file cannot be written; an older file of that name is then untouched.
        """
        persistence.save(path, self.kind, describe(self))

    def __copy__(self):
        return replace(self)

    def __reduce__(self):
        return restore, (type(self), describe(self))

    def _moved(self, put):
        """The posterior where `device.put` puts it."""
        parts = {field.name: put(getattr(self, field.name)) for field in fields(self) if field.name in PARTS}
        return replace(self, params=frozen(put(self.params)), **parts)


def describe(posterior):
    """The posterior as a tree of plain values and arrays."""
    return {field.name: _describe(field.name, getattr(posterior, field.name)) for field in fields(posterior)}


def _describe(name, value):
    if name == "prior":
        return priors.describe(value)
    if name == "density":
        return name_of(value)
    return value._asdict() if name in PARTS and value is not None else value


def restore(kind, tree):
    """The posterior of that class that `describe` described."""
    tree = {RENAMED.get(name, name): value for name, value in tree.items()}
    return kind(**{name: _restore(name, value) for name, value in tree.items()})


def _restore(name, value):
    if name in PARTS:
        return None if value is None else PARTS[name](**value)
    known = {"prior": priors.restore, "density": density_of, "params": frozen}
    return known[name](value) if name in known else value


def name_of(density):
    """The short name of a density that a posterior can have, or a ValueError."""
    for name, module in DENSITIES.items():
        if module is density:
            return name
    known = ", ".join(DENSITIES)
    raise ValueError(f"density: expected a module, one of {known} of this package, got {density!r}")


def density_of(name):
    """The density of that name, or a ValueError."""
    if name not in DENSITIES:
        raise ValueError(f"density: expected one of {', '.join(map(repr, DENSITIES))}, got {name!r}")
    return DENSITIES[name]
