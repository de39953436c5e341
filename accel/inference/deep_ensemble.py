"""Weighted ensembles of posteriors: several trainings from different starts, mixed by how well each predicts held-out data.

The mathematics is in `reference.inference.deep_ensemble`. Same numbers; on the CPU the members are trained side by side, each in a
process of its own with one BLAS thread, which is where a second core helps (a single small network gains nothing from it). On a
device their steps share their launches, see `kernels.training`: a single small network leaves most of it idle. With one core, or with
a schedule that is not one of `optim`'s, an epoch of each follows the other.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass

import numpy as np

from accel import priors
from accel.runtime import checks, persistence
from accel.training import optim
from accel.runtime.progress import progress_bar
from accel.density import maf
from accel.device import array_module, to_host
from accel.inference import npe

__all__ = ["Ensemble", "combine", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members of type npe.Posterior, and the weight of each, (E,)."""
    members: tuple
    weights: np.ndarray

    def sample(self, rng, n, x):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D): (M, n, P)."""
        checks.check_count("n", n)
        member = np.searchsorted(np.cumsum(self.weights), to_host(rng.random(n)) * np.sum(self.weights), side="right")
        member = np.minimum(member, len(self.members) - 1)            # a draw that rounds to the very top
        drawn = [posterior.sample(rng, int(np.sum(member == m)), x) for m, posterior in enumerate(self.members) if np.any(member == m)]
        places = np.argsort(np.argsort(member, kind="stable"), kind="stable")
        xp = array_module(drawn[0]) if drawn else np
        return xp.take(xp.concatenate(drawn, axis=-2), xp.asarray(places), axis=-2)

    def log_prob(self, theta, x):
        """log q(θ|x) of (1), (N,) in nats; arguments as of a member."""
        log_q = [posterior.log_prob(theta, x) for posterior in self.members]
        xp = array_module(log_q[0])
        log_q = xp.stack(log_q)
        top = log_q.max(axis=0)
        top = xp.where(xp.isfinite(top), top, 0)                      # outside the prior every member says −inf
        log_q -= top
        xp.exp(log_q, out=log_q)
        total = xp.asarray(self.weights, dtype=log_q.dtype) @ log_q
        return top + xp.where(total > 0, xp.log(xp.where(total > 0, total, 1)), -np.inf)

    def save(self, path):
        """Write to one .npz file that either package loads."""
        persistence.save(path, "ensemble", {"members": [npe.describe(member) for member in self.members], "weights": self.weights})

    def _moved(self, put):
        """The ensemble elsewhere: what `device.put` makes of it."""
        return Ensemble(tuple(put(member) for member in self.members), self.weights)


def combine(members):
    """The ensemble of trained posteriors, weighted by (2).

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
    return Ensemble(members, weights / weights.sum())


def fit(prior, theta, x, *, rng, n_members=5, n_processes=None, embedding=(), n_components=None, density=maf, n_transforms=None,
        hidden=(50, 50), learning_rate=5e-3, batch_size=200, max_epochs=200, patience=40, validation_fraction=0.1, clip_norm=5.0,
        schedule=optim.one_cycle, checkpoint=None, progress=False):
    """Train n_members posteriors on the same simulations, side by side, and combine them."""
    checks.check_count("n_members", n_members)
    if n_processes is not None:
        checks.check_count("n_processes", n_processes)
    npe.name_of(density)
    theta, x = npe.check_simulations(prior, theta, x)
    settings = {"embedding": embedding, "n_components": n_components, "density": density, "n_transforms": n_transforms,
                "hidden": hidden, "learning_rate": learning_rate, "batch_size": batch_size, "max_epochs": max_epochs, "patience": patience,
                "validation_fraction": validation_fraction, "clip_norm": clip_norm, "schedule": schedule}
    seeds = [int(seed) for seed in to_host(rng.integers(0, 2**62, size=n_members))]
    checkpoints = [None if checkpoint is None else f"{os.fspath(checkpoint)}.member{m}" for m in range(n_members)]
    n_processes = min(n_members, n_processes or os.cpu_count() or 1)
    if n_processes == 1 or array_module(x) is not np or getattr(optim, schedule.__name__, None) is not schedule:
        return combine(npe.fit_members(prior, theta, x, rngs=list(map(np.random.default_rng, seeds)), checkpoints=checkpoints,
                                       progress=progress, **settings))
    with tempfile.TemporaryDirectory(prefix="diptych-") as folder:
        job = os.path.join(folder, "job.npz")
        persistence.save(job, "ensemble-job", {"prior": priors.describe(prior), "theta": theta, "x": x,
                                               "settings": {**settings, "density": npe.name_of(density),
                                                            "schedule": schedule.__name__}})
        outs = [os.path.join(folder, f"{m}.npz") for m in range(n_members)]
        tasks = [(job, str(seed), out, path or "") for seed, out, path in zip(seeds, outs, checkpoints)]
        run_workers(tasks, n_processes, progress_bar(progress, n_members, unit="member"))
        return combine(npe.load(out) for out in outs if os.path.exists(out))


def work(job, seed, out, checkpoint):
    """What a worker process does: train one member of a saved job and save it, also when the training is interrupted."""
    def interrupt_once(*_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)                  # ^C reaches a worker twice: from the terminal and passed on
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, interrupt_once)
    tree = persistence.load(job, "ensemble-job")
    settings = tree["settings"]
    settings["density"], settings["schedule"] = npe.density_of(settings["density"]), getattr(optim, settings["schedule"])
    npe.fit(priors.restore(tree["prior"]), tree["theta"], tree["x"], rng=np.random.default_rng(int(seed)), checkpoint=checkpoint or None,
            **settings).save(out)


def run_workers(tasks, n_processes, bar):
    """Run the tasks in fresh interpreters, n_processes at a time.

    ^C is passed on: each member then saves its best so far, those that had not begun are left out, and a warning says so. If a
    member fails the others are ended, and its error is shown.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                   "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "import sys; from accel.inference.deep_ensemble import work; work(*sys.argv[1:])"]
    waiting, running = list(tasks), []
    try:
        while waiting or running:
            while waiting and len(running) < n_processes:
                task = waiting.pop(0)
                with open(task[2] + ".log", "w") as log:
                    running.append((subprocess.Popen([*command, *task], env=environment, stdout=log, stderr=log), log.name))
            time.sleep(0.02)
            for worker, log in [pair for pair in running if pair[0].poll() is not None]:
                running.remove((worker, log))
                bar.update(1)
                if worker.returncode:
                    raise RuntimeError(f"training a member failed in its process:\n{pathlib.Path(log).read_text().strip()}")
    except KeyboardInterrupt:
        for worker, _ in running:
            worker.send_signal(signal.SIGINT)
        for worker, _ in running:
            worker.wait()
        warnings.warn(f"the training was interrupted: {len(waiting)} of {len(tasks)} members had not begun and are left out, "
                      f"{len(running)} stopped at their best so far", stacklevel=3)
    finally:
        for worker, _ in running:
            worker.kill()
            worker.wait()
        bar.close()


def load(path):
    """The ensemble that `Ensemble.save` wrote."""
    tree = persistence.load(path, "ensemble")
    return Ensemble(tuple(npe.restore(member) for member in tree["members"]), tree["weights"])
