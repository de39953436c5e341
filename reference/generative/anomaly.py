"""Anomaly score of a generator and its critic: how badly the best of all samples reproduces an object.

With G(z) a sample and h(x) the last hidden layer of the critic:

    (1)  A(x, z) = b · rms(x − G(z)) + (1 − b) · rms(h(x) − h(G(z)))
    (2)  A(x) = min over z of (1)                        by Adam from several starts; G(z): reconstruction
    (3)  (A − mean)/standard deviation                   of the training data's scores; the lecture's order
    (4)  rms(a) = √((1/D) ∑ⱼ aⱼ² + ε²)                   ε = 10⁻¹²: an exact reconstruction has a slope

An object that the generator cannot make has a high score. Params are those of a WGAN (`generative.wgan`).

Shapes        M objects, S starts, N pairs, D features, K latents, H critic features; x (M, D), z (N, K),
              h (N, H).
Conventions   x is what the networks see, scaled data; a fitted `wgan.Wgan` takes x in its own units.
Source        "Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery",
              Schlegl et al., 2017, section 2.2; lectures S0 and S4, slides "Compute anomaly score based on
              WGAN reconstruction error", which call b λ.
Departures    Adam runs from several starts, for all objects at once; Schlegl et al. search from one. The z
              that is found is a minimum, not a sample of p(z|x), which a GAN does not know.

Example
-------
>>> import numpy as np
>>> from reference.generative import anomaly
>>> from reference.nets import dense
>>> params = {"generator": [np.array([[0.0, 0.0], [1.0, 2.0]])],       # G(z) = (z, 2z): a line
...           "critic": [np.array([[0.0], [1.0], [1.0]]), np.ones((2, 1))]}
>>> x, start = np.array([[2.0, -1.0]]), np.ones((1, 1, 1))              # at right angles to the line
>>> found = anomaly.invert(params, x, start, balance=1.0, n_steps=300, activation=dense.IDENTITY)
>>> bool(abs(found.z[0, 0]) < 1e-3), found.score.round(3)
(True, array([1.581]))
"""
from functools import partial
from typing import NamedTuple

import autograd.numpy as np
from autograd import elementwise_grad

from reference.generative.generator import generate
from reference.nets import dense
from reference.nets._help import described
from reference.nets.dense import LEAKY_RELU, Activation
from reference.runtime import checks
from reference.runtime.protocols import Array, Params
from reference.training import optim

__all__ = ["Reconstruction", "features", "anomaly_score", "anomaly_score_and_grad", "invert", "standardise"]

EPSILON = 1e-12

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
    return activation.value(dense.mlp(params["critic"][:-1], x, activation=activation))


def rms(a):
    """(4) of each row, (N,)."""
    return np.sqrt(np.mean(a**2, axis=1) + EPSILON**2)                                           # (4)


def distances(params, x, z, *, activation):
    """The two rms of (1) for pairs of x (N, D) and z (N, K), (N,) each."""
    x = checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1))
    made = generate(params, z, activation=activation)
    h, h_made = (features(params, rows, activation=activation) for rows in (x, made))
    return rms(x - made), rms(h - h_made)


@documented
def anomaly_score(params: Params, x: Array, z: Array, *, balance: float = 0.9,
                  activation: Activation = LEAKY_RELU) -> Array:
    """A(x, z) of each pair, (N,)."""
    in_x, in_features = distances(params, x, z, activation=activation)
    return balance * in_x + (1 - balance) * in_features                                          # (1)


@documented
def anomaly_score_and_grad(params: Params, x: Array, z: Array, *, balance: float = 0.9,
                           activation: Activation = LEAKY_RELU) -> tuple[Array, Array]:
    """A(x, z) of each pair, (N,), and its gradient with respect to that z, (N, K)."""
    score = partial(anomaly_score, params, x, balance=balance, activation=activation)
    return score(z), elementwise_grad(score)(z)


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
    (n_objects, n_starts, n_latent), repeated = start.shape, np.repeat(x, start.shape[1], axis=0)
    z = {"z": start.reshape(-1, n_latent)}
    adam = optim.init_adam(z)
    for step in range(n_steps):
        _, dz = anomaly_score_and_grad(params, repeated, z["z"], balance=balance, activation=activation)
        eta = learning_rate * optim.cosine(step / n_steps)
        z, adam = optim.adam_step(z, {"z": dz}, adam, learning_rate=eta)
    score = anomaly_score(params, repeated, z["z"], balance=balance, activation=activation)
    score = score.reshape(n_objects, n_starts)
    best = z["z"].reshape(start.shape)[np.arange(n_objects), np.argmin(score, axis=1)]           # (2)
    return Reconstruction(generate(params, best, activation=activation), best, np.min(score, axis=1),
                          *distances(params, x, best, activation=activation))


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
    spread = checks.check_positive("training_score: standard deviation", float(np.std(training_score)))
    return (checks.as_array("score", score, ("M",)) - np.mean(training_score)) / spread          # (3)
