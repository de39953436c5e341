"""Weighted ensembles of posteriors: several trainings from different starts, mixed by how well each predicts held-out data.

    (1)  q(θ|x) = ∑ₘ wₘ qₘ(θ|x)
    (2)  wₘ ∝ exp(vₘ),   vₘ the mean log qₘ(θ|x) of the simulations that member m held out, in nats

A sample of (1) is a sample of member m, m drawn with probability wₘ. The mixture is wider where its members disagree, which is
where a single one is most often overconfident.

Shapes        as in `npe`; E members, weights (E,).
Source        "LtU-ILI: An All-in-One Framework for Implicit Inference in Astrophysics and Cosmology", Ho et al., 2024, section
              3.2 (the weights); "A Crisis In Simulation-Based Inference?", Hermans et al., 2022 (why ensembles); lecture S1.
"""
import os
from dataclasses import dataclass

import numpy as np

from reference.runtime import checks, persistence
from reference.training import optim
from reference.density import maf
from reference.inference import npe

__all__ = ["Ensemble", "combine", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members of type npe.Posterior, and the weight of each, (E,)."""
    members: tuple
    weights: np.ndarray

    def sample(self, rng, n, x):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D): (M, n, P)."""
        checks.check_count("n", n)
        member = np.searchsorted(np.cumsum(self.weights), rng.random(n) * np.sum(self.weights), side="right")
        member = np.minimum(member, len(self.members) - 1)            # a draw that rounds to the very top
        drawn = [posterior.sample(rng, int(np.sum(member == m)), x) for m, posterior in enumerate(self.members) if np.any(member == m)]
        places = np.argsort(np.argsort(member, kind="stable"), kind="stable")
        return np.concatenate(drawn, axis=-2)[..., places, :]

    def log_prob(self, theta, x):
        """log q(θ|x) of (1), (N,) in nats; arguments as of a member."""
        from scipy.special import logsumexp
        log_q = np.stack([posterior.log_prob(theta, x) for posterior in self.members])
        return logsumexp(log_q, axis=0, b=self.weights[:, None])      # (1)

    def save(self, path):
        """Write to one .npz file that either package loads."""
        persistence.save(path, "ensemble", {"members": [npe.describe(member) for member in self.members], "weights": self.weights})


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
    """Train n_members posteriors on the same simulations and combine them.

    Parameters
    ----------
    prior, theta, x
        As in `npe.fit`.
    rng : Generator
        Gives each member a seed of its own.
    n_members : int
        E.
    n_processes : int, optional
        How many members accel trains at the same time, one core each; by default as many as there are cores. The reference
        trains one after the other.
    checkpoint : path, optional
        The beginning of a file name: member m keeps its own checkpoint in "…member<m>".
    embedding, n_components, density, …, schedule, progress
        As in `npe.fit`, the same for all members.
    """
    checks.check_count("n_members", n_members)
    if n_processes is not None:
        checks.check_count("n_processes", n_processes)
    members = []
    for m, seed in enumerate(rng.integers(0, 2**62, size=n_members)):
        members.append(npe.fit(
            prior, theta, x, rng=np.random.default_rng(int(seed)), embedding=embedding, n_components=n_components, density=density,
            n_transforms=n_transforms, hidden=hidden, learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
            patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm, schedule=schedule,
            checkpoint=member_checkpoint(checkpoint, m), progress=progress))
    return combine(members)


def member_checkpoint(checkpoint, m):
    return None if checkpoint is None else f"{os.fspath(checkpoint)}.member{m}"


def load(path):
    """The ensemble that `Ensemble.save` wrote."""
    tree = persistence.load(path, "ensemble")
    return Ensemble(tuple(npe.restore(member) for member in tree["members"]), tree["weights"])
