"""Anomaly score of a generator and its critic: how badly the best of all samples reproduces an object.

With G(z) a sample and h(x) the last hidden layer of the critic:

    (1)  A(x, z) = b · rms(x − G(z)) + (1 − b) · rms(h(x) − h(G(z)))
    (2)  A(x) = min over z of (1)                          by Adam from several starts; G(z) there is the best reconstruction
    (3)  (A − mean)/standard deviation                     of the scores of the training data: what the lecture sorts by
    (4)  rms(a) = √((1/D) ∑ⱼ aⱼ² + ε²)                     ε = 10⁻¹², so that an exact reconstruction has a slope

An object that the generator cannot make has a high score. Params are a WGAN's (`generative.wgan`).

Shapes        M objects, S starts, N pairs, D features, K latents, H critic features; x (M, D), z (N, K), h (N, H).
Conventions   x is what the networks see, scaled data; a fitted `wgan.Wgan` takes x in its own units.
Source        "Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery", Schlegl et al., 2017,
              section 2.2; lectures S0 and S4, slides "Compute anomaly score based on WGAN reconstruction error", which call b λ.
Departures    a search from several starts, all objects and starts at once, where Schlegl et al. search from one. The z found is a
              minimum, not a sample of p(z|x), of which a GAN knows nothing.
"""
from functools import partial
from typing import NamedTuple

import autograd.numpy as np
from autograd import elementwise_grad

from reference.nets import dense
from reference.runtime import checks
from reference.training import optim
from reference.generative.gan import generate

__all__ = ["Reconstruction", "features", "anomaly_score", "anomaly_score_and_grad", "invert", "standardise"]

EPSILON = 1e-12


class Reconstruction(NamedTuple):
    """The best that the generator can do for each object.

    Attributes
    ----------
    x : (M, D) float
        The best reconstruction.
    z : (M, K) float
        Where it is.
    score, distance, feature_distance : (M,) float
        (2), and the two rms of (1) there: in x and in the critic's features.
    """
    x: np.ndarray
    z: np.ndarray
    score: np.ndarray
    distance: np.ndarray
    feature_distance: np.ndarray


def features(params, x, *, activation=dense.LEAKY_RELU):
    """h(x), the last hidden layer of the critic, (N, H)."""
    x = checks.as_array("x", x, ("N", len(params["critic"][0]) - 1))
    return activation.value(dense.mlp(params["critic"][:-1], x, activation=activation))


def rms(a):
    return np.sqrt(np.mean(a**2, axis=1) + EPSILON**2)                                           # (4)


def distances(params, x, z, *, activation):
    """The two rms of (1) for pairs of x (N, D) and z (N, K), (N,) each."""
    x = checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1))
    made = generate(params, z, activation=activation)
    return rms(x - made), rms(features(params, x, activation=activation) - features(params, made, activation=activation))


def anomaly_score(params, x, z, *, balance=0.9, activation=dense.LEAKY_RELU):
    """A(x, z) of each pair of x (N, D) and z (N, K), (N,); balance is b."""
    in_x, in_features = distances(params, x, z, activation=activation)
    return balance * in_x + (1 - balance) * in_features                                                # (1)


def anomaly_score_and_grad(params, x, z, *, balance=0.9, activation=dense.LEAKY_RELU):
    """A(x, z) of each pair, (N,), and its gradient with respect to that z, (N, K)."""
    score = partial(anomaly_score, params, x, balance=balance, activation=activation)
    return score(z), elementwise_grad(score)(z)


def invert(params, x, start, *, balance=0.9, n_steps=200, learning_rate=0.1, activation=dense.LEAKY_RELU):
    """(2): for each object x′ (M, D) the z with the least score that Adam finds from each of its starts (M, S, K).

    The learning rate falls along a cosine. The result's x is in the units of x′.
    """
    x, start = check_search(params, x, start, balance, n_steps, learning_rate)
    (n_objects, n_starts, n_latent), repeated = start.shape, np.repeat(x, start.shape[1], axis=0)
    z = {"z": start.reshape(-1, n_latent)}
    adam = optim.init_adam(z)
    for step in range(n_steps):
        _, dz = anomaly_score_and_grad(params, repeated, z["z"], balance=balance, activation=activation)
        z, adam = optim.adam_step(z, {"z": dz}, adam, learning_rate=learning_rate * optim.cosine(step / n_steps))
    score = anomaly_score(params, repeated, z["z"], balance=balance, activation=activation).reshape(n_objects, n_starts)
    best = z["z"].reshape(start.shape)[np.arange(n_objects), np.argmin(score, axis=1)]
    return Reconstruction(generate(params, best, activation=activation), best, np.min(score, axis=1),
                          *distances(params, x, best, activation=activation))


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
    """(3): scores (M,) in standard deviations of the training data's scores (N,) above their mean."""
    training_score = checks.as_array("training_score", training_score, ("N",))
    checks.check_count("training_score: number of scores", len(training_score), least=2)
    spread = checks.check_positive("training_score: standard deviation", float(np.std(training_score)))
    return (checks.as_array("score", score, ("M",)) - np.mean(training_score)) / spread                # (3)
