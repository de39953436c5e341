"""Anomaly score of a generator and its critic: how badly the best of all samples reproduces an object.

The mathematics is in `reference.generative.anomaly`. Same values; the search walks over blocks of objects, each with all its
starts, in feature-major work arrays: Adam updates z where the generator reads it, the generator writes where the critic reads, and
the objects' own features are computed once. Backward through (1), both networks frozen, with r = G(z) − x, q = h(G(z)) − h(x):

    dh = (1 − b) q / (H rms(q)),   dx̃ = b r / (D rms(r)) + (critic below its last layer)ᵀ dh,   dz = (G)ᵀ dx̃
"""
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.device import array_module
from accel.nets import dense
from accel.runtime import checks
from accel.training import optim

__all__ = ["Reconstruction", "features", "anomaly_score", "anomaly_score_and_grad", "invert", "standardise"]

EPSILON = 1e-12
COLUMNS = 512                                                         # searched at a time on a CPU: the work stays in cache
COLUMNS_ON_DEVICE = 1 << 15


class Reconstruction(NamedTuple):
    """The best that the generator can do for each object."""
    x: np.ndarray
    z: np.ndarray
    score: np.ndarray
    distance: np.ndarray
    feature_distance: np.ndarray


def features(params, x, *, activation=dense.LEAKY_RELU):
    """The last hidden layer of the critic, (N, H)."""
    x = checks.as_array("x", x, ("N", len(params["critic"][0]) - 1))
    out = dense.mlp(params["critic"][:-1], x, activation=activation)
    return activation.value(out, out=out)


def anomaly_score(params, x, z, *, balance=0.9, activation=dense.LEAKY_RELU):
    """A(x, z) of each pair of x (N, D) and z (N, K), (N,); balance is b."""
    x, z = check_pairs(params, x, z)
    with borrowed(params, len(z)) as work:
        fill(params, work, x, z, activation)
        return forward(params, work, balance, activation)


def anomaly_score_and_grad(params, x, z, *, balance=0.9, activation=dense.LEAKY_RELU):
    """A(x, z) of each pair, (N,), and its gradient with respect to that z, (N, K)."""
    x, z = check_pairs(params, x, z)
    with borrowed(params, len(z)) as work:
        fill(params, work, x, z, activation)
        return forward(params, work, balance, activation), backward(params, work, balance, activation).T.copy()


class Work:
    """The work arrays for n pairs: the generator's tape, which writes its samples where the critic's reads them; Adam's state."""

    def __init__(self, xp, generator, critic, n, dtype):
        self.down, self.up = dense.Tape(xp, generator, n, dtype), dense.Tape(xp, critic, n, dtype)
        self.z, self.made = self.down.fed[0], self.up.fed[0]
        self.down.out = self.made
        self.x, self.r = (xp.empty_like(self.made) for _ in range(2))
        self.h, self.q, self.slope = (xp.empty_like(self.up.out) for _ in range(3))
        self.distance, self.feature_distance = xp.empty(n, dtype), xp.empty(n, dtype)
        self.mean, self.square, self.room = (xp.empty(self.z.size, dtype) for _ in range(3))


def borrowed(params, n):
    """Work arrays for n pairs, for the length of a block."""
    generator, critic = params["generator"], params["critic"][:-1]
    first = generator[0]
    return memory.borrow(Work, array_module(first), dense.shapes_of(generator), dense.shapes_of(critic), n, first.dtype)


def check_pairs(params, x, z):
    """x (N, D) and z (N, K) as arrays, or a ValueError."""
    z = checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
    return checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1)), z


def fill(params, work, x, z, activation):
    """The pairs and the features of x where they are read."""
    work.z[...], work.x[...], work.h[...] = z.T, x.T, features(params, x, activation=activation).T


def forward(params, work, balance, activation):
    """(1) for the pairs in work, (N,); what a backward pass needs stays there."""
    xp = array_module(work.x)
    xp.subtract(dense.forward(params["generator"], work.down, activation), work.x, out=work.r)
    h = dense.forward(params["critic"][:-1], work.up, activation)
    xp.subtract(activation.value(h, out=h), work.h, out=work.q)
    rms(work.r, work.distance)
    rms(work.q, work.feature_distance)
    return balance * work.distance + (1 - balance) * work.feature_distance


def backward(params, work, balance, activation):
    """dz (K, N), for what `forward` left in work."""
    dh, dx = work.q, work.r
    dh *= (1 - balance) / len(dh) / work.feature_distance
    dh *= activation.slope(work.up.out, out=work.slope)
    dx *= balance / len(dx) / work.distance
    dx += dense.backward(params["critic"][:-1], work.up, dh, None, activation, need_dx=True)
    return dense.backward(params["generator"], work.down, dx, None, activation, need_dx=True)


def rms(a, out):
    """Of each column of a (D, N), into out (N,)."""
    xp = array_module(a)
    xp.sqrt((a * a).mean(axis=0) + EPSILON**2, out=out)


def invert(params, x, start, *, balance=0.9, n_steps=200, learning_rate=0.1, activation=dense.LEAKY_RELU):
    """For each object x′ (M, D) the z with the least score that Adam finds from each of its starts (M, S, K)."""
    x, start = check_search(params, x, start, balance, n_steps, learning_rate)
    (n_objects, n_starts, n_latent), leaf = start.shape, params["generator"][0]
    xp, dtype = array_module(leaf), leaf.dtype
    found = Reconstruction(*(xp.empty(shape, dtype) for shape in (x.shape, (n_objects, n_latent), *3 * [(n_objects,)])))
    at_once = max(1, (COLUMNS if xp is np else COLUMNS_ON_DEVICE) // n_starts)
    for rows in (slice(first, first + at_once) for first in range(0, n_objects, at_once)):
        targets, starts = xp.repeat(x[rows], n_starts, axis=0), start[rows].reshape(-1, n_latent)
        with borrowed(params, len(starts)) as work:
            fill(params, work, targets, starts, activation)
            descend(params, work, balance, n_steps, learning_rate, activation)
            score = forward(params, work, balance, activation)
            n = len(starts) // n_starts
            best = score.reshape(n, n_starts).argmin(axis=1) + n_starts * xp.arange(n)
            for out, columns in zip(found, (work.made, work.z, score, work.distance, work.feature_distance), strict=True):
                out[rows] = xp.take(columns, best, axis=-1).T
    return found


def descend(params, work, balance, n_steps, learning_rate, activation):
    """Adam on z, in place."""
    z = work.z.reshape(-1)                                            # a view: z's rows lie together
    work.mean.fill(0)
    work.square.fill(0)
    for step in range(n_steps):
        forward(params, work, balance, activation)
        dz = backward(params, work, balance, activation).reshape(-1)
        rates = optim.folded(step + 1, learning_rate * optim.cosine(step / n_steps))
        optim.update(z, work.mean, work.square, dz, work.room, rates)


def check_search(params, x, start, balance, n_steps, learning_rate):
    """The objects and their starts as arrays, or a ValueError."""
    x = checks.as_array("x", x, ("M", len(params["critic"][0]) - 1))
    start = checks.as_array("start", start, (len(x), "S", len(params["generator"][0]) - 1))
    checks.check_count("start: number of starts", start.shape[1])
    checks.check_finite("x", x)
    checks.check_count("n_steps", n_steps, least=0)
    checks.check_positive("learning_rate", learning_rate)
    if not 0 <= balance <= 1:
        raise ValueError(f"balance: expected a number in [0, 1], got {balance!r}")
    return x, start


def standardise(score, training_score):
    """Scores (M,) in standard deviations of the training data's scores (N,) above their mean."""
    training_score = checks.as_array("training_score", training_score, ("N",))
    checks.check_count("training_score: number of scores", len(training_score), least=2)
    checks.check_positive("training_score: standard deviation", float(training_score.std()))
    return (checks.as_array("score", score, ("M",)) - training_score.mean()) / training_score.std()
