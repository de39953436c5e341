"""Anomaly score of a generator and its critic: how badly the best of all samples reproduces an object.

The mathematics is in `reference.generative.anomaly`. Same values, where the parameters live and in their
dtype. Objects are taken in blocks, each with all its starts, in feature-major work arrays: Adam updates z
where the generator reads it, the generator writes where the critic reads, and the features of the objects are
computed once. Backward through (1), both networks fixed, with r = G(z) − x and q = h(G(z)) − h(x):

    dh = (1 − b) q / (H rms(q)),   dx̃ = b r / (D rms(r)) + (critic below its last layer)ᵀ dh,   dz = (G)ᵀ dx̃

Example
-------
>>> import numpy as np
>>> from accel.generative import anomaly
>>> from accel.nets import dense
>>> params = {"generator": [np.array([[0.0, 0.0], [1.0, 2.0]])],       # G(z) = (z, 2z): a line
...           "critic": [np.array([[0.0], [1.0], [1.0]]), np.ones((2, 1))]}
>>> x, start = np.array([[2.0, -1.0]]), np.ones((1, 1, 1))              # at right angles to the line
>>> found = anomaly.invert(params, x, start, balance=1.0, n_steps=300, activation=dense.IDENTITY)
>>> bool(abs(found.z[0, 0]) < 1e-3), found.score.round(3)
(True, array([1.581]))
"""
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.device import array_module
from accel.nets import dense
from accel.nets._help import described
from accel.nets.dense import LEAKY_RELU, Activation
from accel.runtime import checks
from accel.runtime.protocols import Array, Params
from accel.training import optim

__all__ = ["Reconstruction", "features", "anomaly_score", "anomaly_score_and_grad", "invert", "standardise"]

EPSILON = 1e-12
COLUMNS = 512                                                   # at a time on a CPU: the work stays in cache
COLUMNS_ON_DEVICE = 1 << 15

documented = described("""
params : tree
    Of a WGAN, see `generative.wgan`.
x : (N, D) float
    Scaled data.
z : (N, K) float
    One for each x.
balance : float
    b, in [0, 1].
activation : Activation
    Of both networks, from `nets.dense`.
""", raises="If an array has another shape.")


class Reconstruction(NamedTuple):
    """The best reconstruction of each object.

    Attributes
    ----------
    x : (M, D) float
        G(z).
    z : (M, K) float
    score, distance, feature_distance : (M,) float
        (2), and the two rms of (1) there: in x and in the critic's features.
    """
    x: Array
    z: Array
    score: Array
    distance: Array
    feature_distance: Array


@documented
def features(params: Params, x: Array, *, activation: Activation = LEAKY_RELU) -> Array:
    """h(x), the last hidden layer of the critic, (N, H)."""
    x = checks.as_array("x", x, ("N", len(params["critic"][0]) - 1))
    out = dense.mlp(params["critic"][:-1], x, activation=activation)
    return activation.value(out, out=out)


@documented
def anomaly_score(params: Params, x: Array, z: Array, *, balance: float = 0.9,
                  activation: Activation = LEAKY_RELU) -> Array:
    """A(x, z) of each pair, (N,)."""
    x, z = check_pairs(params, x, z)
    with borrowed(params, len(z)) as work:
        fill(params, work, x, z, activation)
        return forward(params, work, balance, activation)


@documented
def anomaly_score_and_grad(params: Params, x: Array, z: Array, *, balance: float = 0.9,
                           activation: Activation = LEAKY_RELU) -> tuple[Array, Array]:
    """A(x, z) of each pair, (N,), and its gradient with respect to that z, (N, K)."""
    x, z = check_pairs(params, x, z)
    with borrowed(params, len(z)) as work:
        fill(params, work, x, z, activation)
        score = forward(params, work, balance, activation)
        return score, backward(params, work, balance, activation).T.copy()


class Work:
    """The work arrays for n pairs: both tapes, whose generator writes what the critic reads; Adam's state."""

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
    shapes = dense.shapes_of(generator), dense.shapes_of(critic)
    return memory.borrow(Work, array_module(first), *shapes, n, first.dtype)


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
    return balance * work.distance + (1 - balance) * work.feature_distance                   # (1)


def backward(params, work, balance, activation):
    """dz (K, N), for what `forward` left in work."""
    dh, dx = work.q, work.r
    dh *= (1 - balance) / len(dh) / work.feature_distance
    dh *= activation.slope(work.up.out, out=work.slope)
    dx *= balance / len(dx) / work.distance
    dx += dense.backward(params["critic"][:-1], work.up, dh, None, activation, need_dx=True)
    return dense.backward(params["generator"], work.down, dx, None, activation, need_dx=True)


def rms(a, out):
    """(4) of each row, (N,)."""
    xp = array_module(a)
    xp.sqrt((a * a).mean(axis=0) + EPSILON**2, out=out)               # (4)


def invert(params: Params, x: Array, start: Array, *, balance: float = 0.9, n_steps: int = 200,
           learning_rate: float = 0.1, activation: Activation = LEAKY_RELU) -> Reconstruction:
    """The z of least score for each object, which Adam finds from several starts; the rate falls as a cosine.

    Parameters
    ----------
    params : tree
        Of a WGAN, see `generative.wgan`.
    x : (M, D) float
        Objects, scaled.
    start : (M, S, K) float
        S starts for each object.
    balance : float
        b, in [0, 1].
    n_steps : int
        Steps of Adam, zero or more.
    learning_rate : float
        Adam's, at the start.
    activation : Activation
        Of both networks, from `nets.dense`.

    Raises
    ------
    ValueError
        If an argument is not as above, or x is not finite.
    """
    x, start = check_inversion(params, x, start, balance, n_steps, learning_rate)
    (n_objects, n_starts, n_latent), leaf = start.shape, params["generator"][0]
    xp, dtype = array_module(leaf), leaf.dtype
    shapes = x.shape, (n_objects, n_latent), *3 * [(n_objects,)]
    found = Reconstruction(*(xp.empty(shape, dtype) for shape in shapes))
    at_once = max(1, (COLUMNS if xp is np else COLUMNS_ON_DEVICE) // n_starts)
    for rows in (slice(first, first + at_once) for first in range(0, n_objects, at_once)):
        targets, starts = xp.repeat(x[rows], n_starts, axis=0), start[rows].reshape(-1, n_latent)
        with borrowed(params, len(starts)) as work:
            fill(params, work, targets, starts, activation)
            descend(params, work, balance, n_steps, learning_rate, activation)
            score = forward(params, work, balance, activation)
            n = len(starts) // n_starts
            best = score.reshape(n, n_starts).argmin(axis=1) + n_starts * xp.arange(n)       # (2)
            columns = work.made, work.z, score, work.distance, work.feature_distance
            for out, of_pairs in zip(found, columns, strict=True):
                out[rows] = xp.take(of_pairs, best, axis=-1).T
    return found


def descend(params, work, balance, n_steps, learning_rate, activation):
    """Adam on z, in place."""
    z = work.z.reshape(-1)                                            # a view: the rows of z are contiguous
    work.mean.fill(0)
    work.square.fill(0)
    for step in range(n_steps):
        forward(params, work, balance, activation)
        dz = backward(params, work, balance, activation).reshape(-1)
        rates = optim.folded(step + 1, learning_rate * optim.cosine(step / n_steps))
        optim.update(z, work.mean, work.square, dz, work.room, rates)


def check_inversion(params, x, start, balance, n_steps, learning_rate):
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


def standardise(score: Array, training_score: Array) -> Array:
    """(3), the z-score: standard deviations of the training data's scores above their mean, (M,).

    Parameters
    ----------
    score : (M,) float
    training_score : (N,) float
        At least two, not all alike.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    training_score = checks.as_array("training_score", training_score, ("N",))
    checks.check_count("training_score: number of scores", len(training_score), least=2)
    checks.check_positive("training_score: standard deviation", float(training_score.std()))
    score = checks.as_array("score", score, ("M",))
    return (score - training_score.mean()) / training_score.std()                            # (3)
