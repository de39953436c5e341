"""The gradient penalty: slopes known in closed form, and a second-order gradient against differences of the
first-order one."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
ACTIVATIONS = ("TANH", "RELU", "LEAKY_RELU", "IDENTITY")


def network(sizes, seed=0):
    paint = np.random.default_rng(seed)
    return ([painted(paint, (m + 1, n), -1.0, 1.2) for m, n in zip(sizes, sizes[1:])],
            painted(paint, (6, sizes[0])))


@BOTH
def test_a_linear_function_by_hand(package):
    """f = 7 + 3x − 4y has slope 5 everywhere: P = (5 − 1)² = 16, and dP = 2 (5 − 1) (3, −4)/5, the bias
    untouched."""
    layers, x = [np.array([[7.0], [3.0], [-4.0]])], np.array([[0.3, 2.0], [-1.0, 5.0], [0.0, 0.0]])
    module = package.nets.gradient_penalty
    assert np.array_equal(module.input_gradient(layers, x), np.tile([3.0, -4.0], (3, 1)))
    value, (gradient,) = module.gradient_penalty_and_grad(layers, x)
    assert_close(value, 16.0)
    assert_close(gradient, np.array([[0.0], [4.8], [-6.4]]), terms=3)
    assert_close(module.gradient_penalty(layers, x, target=0.0), 25.0)
    assert_close(module.gradient_penalty_and_grad(layers, x, target=0.0)[1][0],
                 np.array([[0.0], [6.0], [-8.0]]), terms=3)


@BOTH
def test_one_tanh_unit_by_hand(package):
    """f = v tanh(b + wx) has slope g = vws, s = 1 − t²; with g > 0, P = (g − 1)² and dP = 2 (g − 1) dg, where
    ds/db = −2ts."""
    b, w, v, x = 0.3, 1.7, 0.8, -0.4
    t = np.tanh(b + w * x)
    s = 1 - t**2
    g = v * w * s
    value, (first, second) = package.nets.gradient_penalty.gradient_penalty_and_grad(
        [np.array([[b], [w]]), np.array([[0.0], [v]])], np.array([[x]]))
    assert_close(value, (g - 1)**2, terms=10)
    assert_close(first, 2 * (g - 1) * np.array([[-2 * t * g], [v * s - 2 * t * g * x]]), terms=10)
    assert_close(second, 2 * (g - 1) * np.array([[0.0], [w * s]]), terms=10)


@BOTH
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(3, 1), (3, 5, 1), (3, 4, 6, 1)])
def test_slope_and_second_order_gradient_are_central_differences(package, name, sizes):
    """The slope of f, from f itself; then the gradient of P, from P as formed by slopes alone."""
    activation, (layers, x) = getattr(package.nets.dense, name), network(sizes)
    module, h = package.nets.gradient_penalty, 1e-5

    def f(x):
        return package.nets.dense.mlp(layers, x, activation=activation)[:, 0]
    expected = np.column_stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(sizes[0])])
    np.testing.assert_allclose(module.input_gradient(layers, x, activation=activation), expected, atol=1e-8)
    _, gradient = module.gradient_penalty_and_grad(layers, x, activation=activation)
    for layer, dlayer in zip(layers, gradient, strict=True):
        for index in np.ndindex(*layer.shape):
            kept, values = layer[index], []
            for step in (h, -h):
                layer[index] = kept + step
                norm = np.linalg.norm(module.input_gradient(layers, x, activation=activation), axis=1)
                values.append(np.mean((norm - 1)**2))
            layer[index] = kept
            assert abs((values[0] - values[1]) / (2 * h) - dlayer[index]) < 1e-7, index


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(2, 1), (5, 8, 1), (20, 30, 25, 1), (7, 9, 8, 7, 6, 1)])
def test_the_hand_derived_gradient_is_autograds(name, sizes):
    layers, x = network(sizes, seed=3)
    expected, actual = (package.nets.gradient_penalty.gradient_penalty_and_grad(
        layers, x, activation=getattr(package.nets.dense, name)) for package in (reference, accel))
    assert abs(actual[0] - expected[0]) <= 1e-10 * expected[0]
    for a, e in zip(actual[1], expected[1], strict=True):
        assert np.abs(a - e).max() <= 1e-10 * max(1e-3, np.abs(e).max())


def test_without_the_curvature_the_gradient_would_be_wrong():
    """A control: with the term of φ″ left out, as for a piecewise linear unit, tanh's second-order gradient
    is off by far."""
    layers, x = network((3, 5, 1))
    nets, module = accel.nets.dense, accel.nets.gradient_penalty
    _, right = module.gradient_penalty_and_grad(layers, x)
    _, wrong = module.gradient_penalty_and_grad(layers, x, activation=nets.TANH._replace(curvature=None))
    assert np.abs(right[0] - wrong[0]).max() > 0.1 * np.abs(right[0]).max()


@BOTH
@pytest.mark.parametrize("name", ["TANH", "RELU", "LEAKY_RELU", "IDENTITY"])
def test_curvature_is_the_slopes_central_difference(package, name):
    activation, a, h = getattr(package.nets.dense, name), np.array([-2.0, -0.5, 0.3, 1.7]), 1e-6
    difference = (activation.slope(activation.value(a + h))
                  - activation.slope(activation.value(a - h))) / (2 * h)
    curvature = 0 * a if activation.curvature is None else activation.curvature(activation.value(a))
    np.testing.assert_allclose(curvature, difference, atol=1e-9)


@BOTH
def test_a_slope_of_exactly_zero_is_no_nan(package):
    layers, x = [np.array([[-5.0], [0.0]]), np.array([[0.0], [1.0]])], np.zeros((2, 1))
    value, gradient = package.nets.gradient_penalty.gradient_penalty_and_grad(
        layers, x, activation=package.nets.dense.RELU)
    assert abs(value - 1) < 1e-11
    assert all(np.array_equal(g, np.zeros_like(g)) for g in gradient)


@BOTH
def test_bad_input_is_refused(package):
    layers, x = network((3, 5, 1))
    module = package.nets.gradient_penalty
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 3\)"):
        module.gradient_penalty(layers, x[:, :2])
    with pytest.raises(ValueError, match="layers: expected a network with one output, got 5"):
        module.input_gradient(layers[:1], x)


@BOTH
def test_arguments_are_not_changed(package):
    layers, x = network((3, 5, 1))
    before = [x.copy(), *(layer.copy() for layer in layers)]
    package.nets.gradient_penalty.gradient_penalty_and_grad(layers, x)
    assert all(np.array_equal(a, b) for a, b in zip(before, [x, *layers], strict=True))
