"""Ensembles of posteriors: several trainings from different starts, weighted by their score on held-out data.

    (1)  q(θ|x) = ∑ₘ wₘ qₘ(θ|x)
    (2)  wₘ ∝ exp(vₘ),   vₘ: the mean log qₘ(θ|x) of the simulations that member m held out, in nats

A sample of (1) is one of member m, drawn with probability wₘ. The mixture is wider where its members
disagree, which is where a single one is most often overconfident. Shapes are as in `npe`, for E members.

Source        "LtU-ILI: An All-in-One Framework for Implicit Inference in Astrophysics and Cosmology", Ho et
              al., 2024, section 3.2 (the weights); "A Crisis In Simulation-Based Inference?", Hermans et al.,
              2022 (why ensembles); lecture S1.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import deep_ensemble
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((500, 1))
>>> x = theta + 0.5 * rng.standard_normal((500, 1))
>>> prior, small = priors.Normal([0.0], [1.0]), {"n_transforms": 1, "hidden": (8,), "max_epochs": 5}
>>> ensemble = deep_ensemble.fit(prior, theta, x, rng=rng, n_members=2, n_processes=1, **small)
>>> print(ensemble.weights.round(1), ensemble.sample(rng, 1000, np.array([1.0])).mean().round(1))
[0.5 0.5] 0.8
"""
from copy import deepcopy
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from reference.density import maf
from reference.inference import npe
from reference.inference.description import describe, restore
from reference.runtime import checks, persistence
from reference.runtime.protocols import Array, Density, Prior, Rng
from reference.training import optim

__all__ = ["Ensemble", "combine", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A mixture of members, a tuple of npe.Posterior, with weights (E,)."""
    members: tuple[npe.Posterior, ...]
    weights: Array

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
        checks.check_count("n", n)
        total = np.cumsum(self.weights)
        member = np.searchsorted(total, rng.random(n) * np.sum(self.weights), side="right")
        member = np.minimum(member, len(self.members) - 1)            # a draw that rounds to the very top
        drawn = [posterior.sample(rng, int(np.sum(member == m)), x)
                 for m, posterior in enumerate(self.members) if np.any(member == m)]
        places = np.argsort(np.argsort(member, kind="stable"), kind="stable")
        return np.concatenate(drawn, axis=-2)[..., places, :]

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
        from scipy.special import logsumexp
        log_q = np.stack([posterior.log_prob(theta, x) for posterior in self.members])
        return logsumexp(log_q, axis=0, b=self.weights[:, None])      # (1)

    def save(self, path: str | PathLike) -> None:
        """Write to one .npz file that either package loads.

        Parameters
        ----------
        path : str or path-like
            The file, exactly as named; its folder must exist.
        """
        persistence.save(path, "ensemble", describe_ensemble(self))

    def __copy__(self):
        return replace(self)

    def __reduce__(self):
        return restore_ensemble, (describe_ensemble(self),)


def describe_ensemble(ensemble):
    """The ensemble as a tree of plain values and arrays."""
    return {"members": [describe(member) for member in ensemble.members], "weights": ensemble.weights}


def restore_ensemble(tree):
    """The ensemble that was described."""
    return Ensemble(tuple(restore(npe.Posterior, member) for member in tree["members"]), tree["weights"])


def combine(members: Iterable[npe.Posterior]) -> Ensemble:
    """The ensemble of trained posteriors, weighted by (2); it keeps copies of them.

    Parameters
    ----------
    members : sequence of npe.Posterior

    Raises
    ------
    ValueError
        If there are none, or one held out no simulations, so that it cannot be weighted.
    """
    members = tuple(members)
    checks.check_count("members: number", len(members))
    score = np.array([member.validation_log_prob for member in members])
    if not np.isfinite(score).all():
        raise ValueError(f"members: expected each to have a finite validation_log_prob, got {score}")
    weights = np.exp(score - score.max())                             # (2)
    return Ensemble(tuple(map(deepcopy, members)), weights / weights.sum())


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, n_members: int = 5,
        n_processes: int | None = None, embedding: tuple[int, ...] = (), n_components: int | None = None,
        density: Density = maf, n_transforms: int | None = None, hidden: tuple[int, ...] = (50, 50),
        learning_rate: float = 5e-3, batch_size: int = 200, max_epochs: int = 200, patience: int = 40,
        validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Ensemble:
    """Train several posteriors on the same simulations and combine them.

    Parameters
    ----------
    prior, theta, x
        As in `npe.fit`.
    rng : Generator
        Gives each member its own seed.
    n_members : int
        E.
    n_processes : int, optional
        How many members accel trains at the same time, one core each; by default as many as there are cores.
        The reference trains one after the other.
    embedding, n_components, density, n_transforms, hidden, learning_rate, batch_size, max_epochs, patience
        As in `npe.fit`, the same for all members.
    validation_fraction, clip_norm, schedule, progress
        As in `npe.fit`, the same for all members.
    checkpoint : path, optional
        The beginning of a file name: member m keeps its own checkpoint in "….member<m>".

    Raises
    ------
    ValueError
        As in `npe.fit`, and if a number of members or processes is less than one.
    """
    checks.check_count("n_members", n_members)
    checks.check_count("n_processes", 1 if n_processes is None else n_processes)
    settings = {"embedding": embedding, "n_components": n_components, "density": density,
                "n_transforms": n_transforms, "hidden": hidden, "learning_rate": learning_rate,
                "batch_size": batch_size, "max_epochs": max_epochs, "patience": patience,
                "validation_fraction": validation_fraction, "clip_norm": clip_norm, "schedule": schedule,
                "progress": progress}
    seeds = rng.integers(0, 2**62, size=n_members)
    paths = [checkpoint and f"{os.fspath(checkpoint)}.member{m}" for m in range(n_members)]
    return combine(npe.fit(prior, theta, x, rng=np.random.default_rng(int(seed)), checkpoint=path, **settings)
                   for seed, path in zip(seeds, paths))


def load(path: str | PathLike) -> Ensemble:
    """The ensemble that `Ensemble.save` wrote.

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
    return restore_ensemble(persistence.load(path, "ensemble"))
