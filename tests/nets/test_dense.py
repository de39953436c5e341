"""Dense networks against numbers worked by hand, central differences, and what a mask must cut."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close

PACKAGES = [pytest.param(reference, id="reference"), pytest.param(accel, id="accel")]
ACTIVATIONS = ("TANH", "RELU", "LEAKY_RELU", "IDENTITY")

# Two inputs, two hidden units, one output; the first row of a layer is the bias.
FIRST = np.array([[1.0, -1.0], [2.0, 0.5], [0.0, 3.0]])
SECOND = np.array([[0.25], [1.0], [-2.0]])
X = np.array([[1.0, 2.0], [-1.0, 0.0]])


@pytest.mark.parametrize("package", PACKAGES)
def test_a_layer_is_its_bias_plus_the_product(package):
    assert np.array_equal(package.nets.dense.dense(FIRST, X), [[3.0, 5.5], [-1.0, -1.5]])


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(("activation", "expected"),
                         [("IDENTITY", [[-7.75], [2.25]]), ("RELU", [[-7.75], [0.25]]),
                          ("LEAKY_RELU", [[-7.75], [0.65]]), ("TANH", [[-0.75487844], [1.29870235]])])
def test_a_network_of_two_layers_by_hand(package, activation, expected):
    """IDENTITY: 0.25 + 3 − 2·5.5 and 0.25 − 1 + 2·1.5; RELU: the second sample reaches no unit, LEAKY_RELU: a
    fifth of it, 0.25 − 0.2 + 2·0.3; TANH: 0.25 + tanh 3 − 2 tanh 5.5, …"""
    nets = package.nets.dense
    np.testing.assert_allclose(nets.mlp([FIRST, SECOND], X, activation=getattr(nets, activation)), expected,
                               atol=1e-8)


@pytest.mark.parametrize("package", PACKAGES)
def test_gradients_of_a_linear_network_by_hand(package):
    """out = 0.25 + h₁ − 2 h₂ and h = b + x W, with the cotangents 1 and 10."""
    nets = package.nets.dense
    out, (dfirst, dsecond), dx = nets.mlp_vjp([FIRST, SECOND], X, np.array([[1.0], [10.0]]),
                                              activation=nets.IDENTITY)
    assert np.array_equal(out, [[-7.75], [2.25]])
    assert np.array_equal(dsecond, [[11.0], [3.0 - 10.0], [5.5 - 15.0]])
    assert np.array_equal(dfirst, [[11.0, -22.0], [1.0 - 10.0, -2.0 + 20.0], [2.0, -4.0]])
    assert np.array_equal(dx, [[2.0 - 1.0, -6.0], [20.0 - 10.0, -60.0]])


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(3, 2), (3, 5, 2), (2, 4, 3, 1)])
def test_the_gradient_is_the_central_difference(package, activation, sizes):
    nets, rng, h = package.nets.dense, np.random.default_rng(1), 1e-5
    activation = getattr(nets, activation)
    layers = [rng.uniform(-1, 1.2, (m + 1, n)) for m, n in zip(sizes, sizes[1:])]
    x, cotangent = rng.uniform(-1.3, 1.5, (6, sizes[0])), rng.uniform(-1, 2, (6, sizes[-1]))

    def value(layers, x):
        return np.sum(cotangent * nets.mlp(layers, x, activation=activation))

    def difference(array, position, rebuild):
        up, down = array.copy(), array.copy()
        up[position] += h
        down[position] -= h
        return (value(*rebuild(up)) - value(*rebuild(down))) / (2 * h)

    out, dlayers, dx = nets.mlp_vjp(layers, x, cotangent, activation=activation)
    np.testing.assert_allclose(out, nets.mlp(layers, x, activation=activation), atol=1e-13)
    for place, gradient in [*enumerate(dlayers), ("x", dx)]:
        array = x if place == "x" else layers[place]
        rebuild = (lambda new: (layers, new)) if place == "x" else (
            lambda new, k=place: ([*layers[:k], new, *layers[k + 1:]], x))
        expected = np.array([difference(array, position, rebuild)
                             for position in np.ndindex(array.shape)]).reshape(array.shape)
        np.testing.assert_allclose(gradient, expected, atol=1e-8, err_msg=str(place))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_relu_that_gets_exactly_zero_passes_no_gradient(package):
    """Not half of it: an empty pixel times any weight is exactly zero, with no bias yet."""
    nets = package.nets.dense
    layers = [np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]])]
    out, dlayers, dx = nets.mlp_vjp(layers, np.array([[0.0]]), np.array([[1.0]]), activation=nets.RELU)
    assert (out == 0 and dx == 0 and np.array_equal(dlayers[0], [[0.0], [0.0]])
            and nets.RELU.slope(np.zeros(1)) == 0)


@pytest.mark.parametrize("package", PACKAGES)
def test_nan_goes_through_every_activation(package):
    nets, x = package.nets.dense, np.array([[np.nan, 1.0]])
    for name in ACTIVATIONS:
        assert np.isnan(nets.mlp([FIRST, SECOND], x, activation=getattr(nets, name))).all(), name


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(("name", "value", "slope"), [("TANH", 0.46211716, 0.78644773), ("RELU", 0.5, 1.0),
                                                      ("LEAKY_RELU", 0.5, 1.0), ("IDENTITY", 0.5, 1.0)])
def test_an_activation_and_its_slope_at_one_half(package, name, value, slope):
    """tanh ½ = (e − 1)/(e + 1), and its slope 1 − tanh² = 4e/(e + 1)²; each is found by its name."""
    activation = getattr(package.nets.dense, name)
    assert package.nets.dense.activation_named(name.lower()) is activation
    h = activation.value(np.array([0.5]))
    np.testing.assert_allclose(h, value, atol=1e-8)
    np.testing.assert_allclose(activation.slope(h), slope, atol=1e-8)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_masked_layer_cuts_what_it_must_and_no_more(package):
    nets, rng = package.nets.dense, np.random.default_rng(2)
    layer, x, mask = (rng.normal(size=(4, 2)), rng.normal(size=(5, 3)),
                      np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    out = nets.masked_dense(layer, mask, x)
    np.testing.assert_allclose(out[:, 0], layer[0, 0] + x[:, 0] * layer[1, 0] + x[:, 2] * layer[3, 0],
                               atol=1e-14)
    np.testing.assert_allclose(out[:, 1], layer[0, 1] + x[:, 1] * layer[2, 1] + x[:, 2] * layer[3, 1],
                               atol=1e-14)
    for i in range(3):
        moved = x.copy()
        moved[:, i] += 1.0
        changed = np.abs(nets.masked_dense(layer, mask, moved) - out).min(axis=0) > 0
        assert np.array_equal(changed, mask[i] > 0)
    assert_close(nets.masked_dense(layer, np.ones((3, 2)), x), nets.dense(layer, x), terms=4)


@pytest.mark.parametrize("mask_type", [np.float64, np.float32, np.int64, bool])
def test_a_mask_of_any_type_leaves_accel_in_float32(mask_type):
    layer, x = np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)
    assert accel.nets.dense.masked_dense(layer, np.eye(2, dtype=mask_type), x).dtype == np.float32


@pytest.mark.parametrize("package", PACKAGES)
def test_the_first_weights_have_variance_one_over_n_in_and_no_bias(package):
    nets, rng = package.nets.dense, np.random.default_rng(3)
    layer = nets.init_dense(rng, 400, 300, gain=0.5)
    assert layer.shape == (401, 300) and (layer[0] == 0).all()
    standard_error = 0.5**2 / 400 * np.sqrt(2 / layer[1:].size)
    assert abs(layer[1:].var() - 0.5**2 / 400) < 4 * standard_error
    assert abs(layer[1:].var() - 1 / 400) > 100 * standard_error, "the control: without the gain"
    assert [layer.shape for layer in nets.init_mlp(rng, (3, 7, 2))] == [(4, 7), (8, 2)]


@pytest.mark.parametrize("package", PACKAGES)
def test_inputs_are_left_as_they_were(package):
    layers, x, cotangent = [FIRST.copy(), SECOND.copy()], X.copy(), np.ones((2, 1))
    package.nets.dense.mlp_vjp(layers, x, cotangent)
    package.nets.dense.mlp(layers, x)
    assert (np.array_equal(layers[0], FIRST) and np.array_equal(layers[1], SECOND) and np.array_equal(x, X)
            and (cotangent == 1).all())
