"""The generator: samples by hand, noise, and the gradient that an opponent passes on."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
LINE = [np.array([[5.0, 0.0], [1.0, -1.0]])]                          # x̃ = (5 + z, −z)


@BOTH
def test_a_line_by_hand(package):
    generator = package.generative.generator
    assert np.array_equal(generator.generate({"generator": LINE}, np.array([[2.0], [0.0]])),
                          [[7.0, -2.0], [5.0, 0.0]])
    z = generator.draw_noise({"generator": LINE}, np.random.default_rng(0), 3)
    assert np.array_equal(z, np.random.default_rng(0).standard_normal((3, 1)))
    drawn = generator.sample({"generator": LINE}, np.random.default_rng(0), 3)
    assert np.array_equal(drawn, np.hstack((5 + z, -z)))


@BOTH
def test_bad_input_is_refused(package):
    generator = package.generative.generator
    with pytest.raises(ValueError, match=r"z: expected shape \(n, 1\)"):
        generator.generate({"generator": LINE}, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="n: expected a whole number"):
        generator.sample({"generator": LINE}, np.random.default_rng(0), -1)


def test_noise_has_the_dtype_of_the_parameters():
    params = {"generator": [LINE[0].astype(np.float32)]}
    assert accel.generative.generator.draw_noise(params, np.random.default_rng(0), 3).dtype == np.float32


def test_the_gradient_of_one_network_alone():
    """L = (p + 10 q)² at p = 1, q = 2: ∂L/∂p = 2 · 21; q is held."""
    params = {"p": np.array(1.0), "q": np.array(2.0)}
    value, grads = reference.generative.generator.value_and_own_grad(
        lambda params: (params["p"] + 10 * params["q"])**2, "p", params)
    assert value == 441.0 and grads == {"p": 42.0}


def test_an_opponent_passes_any_slope_on():
    """L = mean(f²/2), with df = f/n: the gradient by hand against autograd's through both networks."""
    paint = np.random.default_rng(1)
    params = {name: [painted(paint, (m + 1, n)) for m, n in zip(sizes, sizes[1:])]
              for name, sizes in (("generator", (2, 5, 3)), ("critic", (3, 4, 1)))}
    z, tanh, generator = painted(paint, (7, 2)), accel.nets.dense.TANH, accel.generative.generator
    grads = generator.gradient_of(params, "generator")
    value = generator.write_generator_grads(params, grads, z, opponent="critic", activation=tanh,
                                            value_and_slope=lambda f: ((f * f).mean() / 2, f / len(f)))

    def loss(params):
        f = reference.generative.wgan.critic(params, reference.generative.generator.generate(params, z),
                                             activation=reference.nets.dense.TANH)
        return (f**2).mean() / 2
    expected, autograds = reference.generative.generator.value_and_own_grad(loss, "generator", params)
    assert_close(value, expected, terms=50)
    for actual, wanted in zip(grads["generator"], autograds["generator"], strict=True):
        assert_close(actual, wanted, terms=100)
