"""Anomaly score of a generator and its critic: how badly the best of all samples reproduces an object.

The mathematics is in `reference.generative.anomaly`. Same values; the search walks over blocks of objects, each with all its
starts, in feature-major work arrays: Adam updates z where the generator reads it, the generator writes where the critic reads, and
the objects' own features are computed once. Backward through (1), both networks frozen, with r = G(z) − x, q = h(G(z)) − h(x):

    dh = (1 − b) q / (H rms(q)),   dx̃ = b r / (D rms(r)) + (critic below its last layer)ᵀ dh,   dz = (G)ᵀ dx̃
"""
from typing import NamedTuple

import numpy as np

from accel.nets import dense
from accel.runtime import checks
from accel.training import optim
from accel.runtime.tree import packed, unravel
from accel.device import array_module

__all__ = ["Reconstruction", "features", "anomaly_score", "anomaly_score_and_grad", "search", "in_sigma"]

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
    return forward(paired(params, x, z, activation), balance, activation)


def anomaly_score_and_grad(params, x, z, *, balance=0.9, activation=dense.LEAKY_RELU):
    """A(x, z) of each pair, (N,), and its gradient with respect to that z, (N, K)."""
    work = paired(params, x, z, activation)
    return forward(work, balance, activation), backward(work, balance, activation).T.copy()


class Work:
    """The work arrays for n pairs: the generator's tape, which writes its samples where the critic's reads them."""

    def __init__(self, params, n):
        xp, dtype = array_module(params.flat), params.flat.dtype
        self.generator, self.critic = params["generator"], params["critic"][:-1]
        self.down, self.up = dense.Tape(xp, self.generator, n, dtype), dense.Tape(xp, self.critic, n, dtype)
        self.z, self.made = self.down.inputs[0][1:], self.up.inputs[0][1:]
        self.down.out = self.made
        self.x, self.r = (xp.empty_like(self.made) for _ in range(2))
        self.h, self.q, self.slope = (xp.empty_like(self.up.out) for _ in range(3))
        self.distance = self.feature_distance = None


def work_arrays(params, n):
    return params.scratch("anomaly", lambda: Work(params, n), size=n)


def paired(params, x, z, activation):
    """Work arrays with the pairs in place."""
    params = packed(params)
    z = checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
    x = checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1))
    work = work_arrays(params, len(z))
    work.z[...], work.x[...], work.h[...] = z.T, x.T, features(params, x, activation=activation).T
    return work


def forward(work, balance, activation):
    """(1) for the pairs in work, (N,); what a backward pass needs stays there."""
    xp = array_module(work.x)
    xp.subtract(dense.forward(work.generator, work.down, activation), work.x, out=work.r)
    h = dense.forward(work.critic, work.up, activation)
    xp.subtract(activation.value(h, out=h), work.h, out=work.q)
    work.distance, work.feature_distance = rms(work.r), rms(work.q)
    return balance * work.distance + (1 - balance) * work.feature_distance


def backward(work, balance, activation):
    """dz (K, N), for what `forward` left in work."""
    dh, dx = work.q, work.r
    dh *= (1 - balance) / len(dh) / work.feature_distance
    dh *= activation.slope(work.up.out, out=work.slope)
    dx *= balance / len(dx) / work.distance
    dx += dense.backward(work.critic, work.up, dh, None, activation, need_dx=True)
    return dense.backward(work.generator, work.down, dx, None, activation, need_dx=True)


def rms(a):
    """Of each column of a (D, N)."""
    xp = array_module(a)
    return xp.sqrt((a * a).mean(axis=0) + EPSILON**2)


def search(params, x, start, *, balance=0.9, n_steps=200, learning_rate=0.1, activation=dense.LEAKY_RELU):
    """For each object x′ (M, D) the z with the least score that Adam finds from each of its starts (M, S, K)."""
    params = packed(params)
    x, start = check_search(params, x, start, balance, n_steps, learning_rate)
    xp, dtype, (n_objects, n_starts, n_latent) = array_module(params.flat), params.flat.dtype, start.shape
    found = Reconstruction(*(xp.empty(shape, dtype) for shape in (x.shape, (n_objects, n_latent), *3 * [(n_objects,)])))
    at_once = max(1, (COLUMNS if xp is np else COLUMNS_ON_DEVICE) // n_starts)
    for rows in (slice(first, first + at_once) for first in range(0, n_objects, at_once)):
        targets, starts = xp.repeat(x[rows], n_starts, axis=0), start[rows].reshape(-1, n_latent)
        work = paired(params, targets, starts, activation)
        descend(work, balance, n_steps, learning_rate, activation)
        score = forward(work, balance, activation)
        n = len(starts) // n_starts
        best = score.reshape(n, n_starts).argmin(axis=1) + n_starts * xp.arange(n)
        for out, columns in zip(found, (work.made, work.z, score, work.distance, work.feature_distance), strict=True):
            out[rows] = xp.take(columns, best, axis=-1).T
    return found


def descend(work, balance, n_steps, learning_rate, activation):
    """Adam on z, in place."""
    z = unravel(work.z.reshape(-1), {"z": work.z})                    # a view: z's rows lie together
    adam = optim.init_adam(z)
    for step in range(n_steps):
        forward(work, balance, activation)
        dz = backward(work, balance, activation)
        z, adam = optim.adam_step(z, {"z": dz}, adam, learning_rate=learning_rate * optim.cosine(step / n_steps))


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


def in_sigma(score, training_score):
    """Scores (M,) in standard deviations of the training data's scores (N,) above their mean."""
    training_score = checks.as_array("training_score", training_score, ("N",))
    checks.check_count("training_score: number of scores", len(training_score), least=2)
    checks.check_positive("training_score: standard deviation", float(training_score.std()))
    return (checks.as_array("score", score, ("M",)) - training_score.mean()) / training_score.std()
