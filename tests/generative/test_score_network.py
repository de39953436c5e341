"""The score network: its parts against their definitions, an untrained network against a Gaussian's score."""
import numpy as np
import pytest

import accel
import reference
from reference.generative import score_matching, score_network
from reference.training import optim


def untrained(dim, hidden=(8,)):
    return score_matching.init_params(np.random.default_rng(0), dim=dim, hidden=hidden)


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    def test_embedding_is_a_smooth_step_at_each_tau(self, package):
        network, sigma = package.generative.score_network, np.array([0.02, 0.3, 5.0])
        expected = np.tanh(np.log(sigma[:, None] / 0.01 / 1000 ** (np.arange(8) / 7)))
        np.testing.assert_allclose(network.embed_sigma(sigma), expected, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(network.embed_sigma(0.3), expected[1], rtol=1e-13, atol=1e-15)

    def test_gain_is_the_geometric_mean_of_the_two_limits(self, package):
        sigma, k = np.array([[0.01], [0.5], [20.0]]), np.array([1.5, 0.2])
        a, g = package.generative.score_network.precondition(sigma, k)
        np.testing.assert_allclose(a**-2, k**2 + sigma**2, rtol=1e-13)
        np.testing.assert_allclose(g**2, (k * a / sigma) * (k * a**2), rtol=1e-13)

    def test_untrained_it_is_the_score_of_a_gaussian(self, package):
        """−x/(k² + σ²) of independent coordinates, one of which does not vary."""
        x, k = np.random.default_rng(1).standard_normal((5, 3)), np.array([1.5, 0.2, 0.0])
        for sigma in (0.3, np.array([0.01, 0.1, 1.0, 3.0, 9.0])):
            found = package.generative.score_network.score(untrained(3), x, sigma, spread=k)
            np.testing.assert_allclose(found, -x / (k**2 + np.reshape(sigma, (-1, 1))**2), rtol=1e-13)

    def test_is_formula_one_at_a_point(self, package):
        """A network of one unit, worked by hand: F = w₂ tanh(b + wₓ a x + Wₑ e) + b₂."""
        rng, x, sigma, k = np.random.default_rng(2), 0.7, 0.4, 1.3
        first, last = rng.standard_normal((10, 1)), rng.standard_normal((2, 1))
        a = 1 / np.sqrt(k**2 + sigma**2)
        e = np.tanh(np.log(sigma / 0.01 / 1000 ** (np.arange(8) / 7)))
        output = last[0, 0] + last[1, 0] * np.tanh(first[0, 0] + first[1, 0] * a * x + first[2:, 0] @ e)
        found = package.generative.score_network.score({"layers": [first, last]}, np.array([[x]]), sigma,
                                                       spread=k)
        np.testing.assert_allclose(found, [[-a**2 * x + k * a * np.sqrt(a / sigma) * output]], rtol=1e-13)

    @pytest.mark.parametrize(("change", "words"), [
        ({"sigma": 0.0}, "sigma: expected a positive"), ({"sigma": np.nan}, "sigma: expected a positive"),
        ({"sigma": np.ones(3)}, "sigma: expected shape"), ({"x": np.zeros((4, 3))}, "x: expected shape")])
    def test_bad_input_is_refused(self, package, change, words):
        arguments = {"x": np.zeros((4, 2)), "sigma": 1.0} | change
        with pytest.raises(ValueError, match=words):
            package.generative.score_network.score(untrained(2), **arguments)


def test_network_learns_what_the_linear_part_does_not_know():
    """Trained with k = 1 for data of another spread, F alone must make up the difference."""
    k, rng = np.array([2.0, 0.5]), np.random.default_rng(2)
    x, sigmas = k * rng.standard_normal((5000, 2)), (1.0, 0.5)
    params = untrained(2, hidden=(32, 32))
    state = optim.init_adam(params)

    def error_at(sigma):
        at = x + sigma * np.random.default_rng(3).standard_normal(x.shape)
        found, truth = score_network.score(params, at, sigma), -at / (k**2 + sigma**2)
        return np.sqrt(np.sum((found - truth)**2) / np.sum(truth**2))
    before = max(map(error_at, sigmas))
    for step in range(500):
        batch = x[rng.integers(0, len(x), 250)]
        noise = score_matching.draw_noise(rng, 250, dim=2)
        _, grads = score_matching.loss_and_grad(params, batch, *noise, sigmas=sigmas)
        params, state = optim.adam_step(params, grads, state, learning_rate=1e-2 * optim.cosine(step / 500))
    assert before > 0.5 and max(map(error_at, sigmas)) < 0.08
