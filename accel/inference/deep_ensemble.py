"""Ensembles of posteriors: several trainings from different starts, weighted by their score on held-out data.

The mathematics is in `reference.inference.deep_ensemble`. Same numbers; on the CPU the members are trained
side by side, each in a process of its own with one BLAS thread, since a single small network gains nothing
from a second core. On a device their steps share their launches (kernels.training), since a single small
network leaves most of it idle. With one core, or with a schedule that is not one of `optim`'s, an epoch of
each follows the other.

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import deep_ensemble
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
import pathlib
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from accel import priors
from accel.density import maf
from accel.device import array_module, to_host
from accel.inference import npe
from accel.inference.description import density_of, describe, name_of, restore
from accel.inference.inputs import check_simulations
from accel.runtime import checks, persistence
from accel.runtime._processes import interrupt_once, run
from accel.runtime.progress import progress_bar
from accel.runtime.protocols import Array, Density, Prior, Rng
from accel.training import optim

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
        uniform = to_host(rng.random(n))
        member = np.searchsorted(total, uniform * np.sum(self.weights), side="right")
        member = np.minimum(member, len(self.members) - 1)            # a draw that rounds to the very top
        drawn = [posterior.sample(rng, int(np.sum(member == m)), x)
                 for m, posterior in enumerate(self.members) if np.any(member == m)]
        places = np.argsort(np.argsort(member, kind="stable"), kind="stable")
        xp = array_module(drawn[0])
        return xp.take(xp.concatenate(drawn, axis=-2), xp.asarray(places), axis=-2)

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
        log_q = [posterior.log_prob(theta, x) for posterior in self.members]
        xp = array_module(log_q[0])
        log_q = xp.stack(log_q)
        top = log_q.max(axis=0)
        top = xp.where(xp.isfinite(top), top, 0)                      # −inf of all members outside the prior
        log_q -= top
        xp.exp(log_q, out=log_q)
        total = xp.asarray(self.weights, dtype=log_q.dtype) @ log_q   # (1)
        return top + xp.where(total > 0, xp.log(xp.where(total > 0, total, 1)), -np.inf)

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

    def _moved(self, put):
        """The ensemble where `device.put` puts it; its weights stay on the host."""
        return Ensemble(tuple(put(member) for member in self.members), self.weights)


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
    name_of(density)
    theta, x = check_simulations(prior, theta, x)
    settings = {"embedding": embedding, "n_components": n_components, "density": density,
                "n_transforms": n_transforms, "hidden": hidden, "learning_rate": learning_rate,
                "batch_size": batch_size, "max_epochs": max_epochs, "patience": patience,
                "validation_fraction": validation_fraction, "clip_norm": clip_norm, "schedule": schedule}
    seeds = [int(seed) for seed in to_host(rng.integers(0, 2**62, size=n_members))]
    checkpoints = [checkpoint and f"{os.fspath(checkpoint)}.member{m}" for m in range(n_members)]
    n_processes = min(n_members, n_processes or os.cpu_count() or 1)
    own_schedule = getattr(optim, schedule.__name__, None) is not schedule
    if n_processes == 1 or array_module(x) is not np or own_schedule:
        rngs = list(map(np.random.default_rng, seeds))
        return combine(npe.fit_members(prior, theta, x, rngs=rngs, checkpoints=checkpoints, progress=progress,
                                       **settings))
    bar = progress_bar(progress, n_members, unit="member")
    return combine(in_processes(prior, theta, x, seeds, checkpoints, settings, n_processes, bar))


def in_processes(prior, theta, x, seeds, checkpoints, settings, n_processes, bar):
    """The members, trained in processes; only those that were begun where the training was interrupted."""
    plain = {**settings, "density": name_of(settings["density"]), "schedule": settings["schedule"].__name__}
    with tempfile.TemporaryDirectory(prefix="diptych-") as folder:
        job = os.path.join(folder, "job.npz")
        persistence.save(job, "ensemble-job", {"prior": priors.describe(prior), "theta": theta, "x": x,
                                               "settings": plain})
        outs = [pathlib.Path(folder, f"{m}.npz") for m in range(len(seeds))]
        tasks = [(job, str(seed), str(out), path or "") for seed, out, path in zip(seeds, outs, checkpoints)]
        logs = [f"{out}.log" for out in outs]
        run("accel.inference.deep_ensemble", "train_member", tasks, logs, n_processes, bar, what="member")
        return [npe.load(out) for out in outs if out.exists()]


def train_member(job, seed, out, checkpoint):
    """In a process of its own: train one member of a saved job and save it, also if it is interrupted."""
    interrupt_once()
    tree = persistence.load(job, "ensemble-job")
    settings = tree["settings"]
    settings["density"] = density_of(settings["density"])
    settings["schedule"] = getattr(optim, settings["schedule"])
    npe.fit(priors.restore(tree["prior"]), tree["theta"], tree["x"], rng=np.random.default_rng(int(seed)),
            checkpoint=checkpoint or None, **settings).save(out)


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
