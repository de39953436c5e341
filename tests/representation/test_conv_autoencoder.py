"""Convolutional autoencoder: its two halves against the literal sums, central differences, sizes, and a blob
that moves."""
import numpy as np
import pytest

import accel
import reference
from reference.nets import conv
from tests.agreement.comparator import assert_close
from tests.agreement.registry import error_of, painted, random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SHAPES = pytest.mark.parametrize("shape", [(1, 8, 8), (2, 7, 5), (3, 4, 11)])


def setting(package, shape, *, channels=(3, 4), hidden=(6,)):
    module, paint = package.representation.conv_autoencoder, np.random.default_rng(0)
    return (module, random_tree(paint, module.init_params(paint, shape=shape, n_latent=2, channels=channels,
                                                          hidden=hidden), scale=0.5))


def images(n, shape):
    return painted(np.random.default_rng(1), (n, *shape))


def dense(layer, h):
    """A dense layer as a plain matrix product, its first row the bias."""
    return np.column_stack((np.ones(len(h)), h)) @ layer


def blob(n, size=8):
    """A Gaussian blob somewhere on the diagonal of an image, (n, 1, size, size): one number says where."""
    centre = np.random.default_rng(2).uniform(1, size - 2, n)
    at = np.arange(size)
    profile = np.exp(-0.5 * (at - centre[:, None])**2 / 1.2**2)
    return (profile[:, :, None] * profile[:, None, :])[:, None]


@BOTH
@SHAPES
def test_encoder_and_decoder_are_the_literal_sums(package, shape):
    """Sides that are not even lose a pixel on the way down, and regain it on the way up."""
    module, params = setting(package, shape)
    x, h = images(3, shape), images(3, shape)
    geometry = {"stride": 2, "padding": 1}
    for layer in params["encoder"]["convs"]:
        h = np.tanh(conv.literal_conv2d(layer, h, **geometry))
    first, last = params["encoder"]["layers"]
    z = dense(last, np.tanh(dense(first, h.reshape(3, -1))))
    assert_close(module.encode(params, x), z, terms=100)
    first, last = params["decoder"]["layers"]
    g = np.tanh(dense(last, np.tanh(dense(first, z)))).reshape(h.shape)
    up, out = params["decoder"]["convs"]
    middle = (shape[1] // 2, shape[2] // 2)
    g = np.tanh(conv.literal_conv2d_transpose(up, g, output_size=middle, **geometry))
    expected = conv.literal_conv2d_transpose(out, g, output_size=shape[1:],
                                             **geometry) + params["decoder"]["offset"]
    assert_close(module.decode(params, z), expected, terms=100)
    assert_close(module.reconstruct(params, x), expected, terms=200)
    assert_close(module.loss(params, x), np.mean((x - expected)**2), terms=500)


@BOTH
@pytest.mark.parametrize("name", ["TANH", "RELU", "IDENTITY"])
def test_gradient_is_the_central_difference(package, name):
    """Along every leaf on its own, in a random direction, and for every entry of the biases and the
    offset."""
    module, params = setting(package, (2, 5, 6), channels=(2, 3), hidden=(4,))
    activation, x, rng = getattr(package.nets.dense, name), images(4, (2, 5, 6)), np.random.default_rng(3)
    _, grads = module.loss_and_grad(params, x, activation=activation)
    leaves = package.runtime.tree.leaves
    for (path, leaf), (_, gradient) in zip(leaves(params), leaves(grads), strict=True):
        entries = [np.eye(leaf.size)[i].reshape(leaf.shape)
                   for i in range(leaf.size)] if leaf.size <= 60 else []
        for direction in [rng.standard_normal(leaf.shape), *entries]:
            kept, values = leaf.copy(), []
            for step in (1e-6, -1e-6):
                leaf[...] = kept + step * direction
                values.append(module.loss(params, x, activation=activation))
            leaf[...] = kept
            assert abs((values[0] - values[1]) / 2e-6 - np.vdot(direction, gradient)) < 1e-8, path


@BOTH
def test_parameters_have_the_sizes_of_the_images(package):
    """8 × 8 → 4 × 4 → 2 × 2 with 32 channels: 128 numbers reach the dense layers, one more row for the
    bias."""
    params = package.representation.conv_autoencoder.init_params(np.random.default_rng(0), shape=(1, 8, 8),
                                                                 n_latent=2)
    assert [layer["weight"].shape for layer in params["encoder"]["convs"]] == [(16, 1, 4, 4), (32, 16, 4, 4)]
    assert [layer.shape for layer in params["encoder"]["layers"]] == [(129, 128), (129, 2)]
    assert [layer.shape for layer in params["decoder"]["layers"]] == [(3, 128), (129, 128)]
    assert [layer["weight"].shape for layer in params["decoder"]["convs"]] == [(32, 16, 4, 4), (16, 1, 4, 4)]
    assert ([layer["bias"].shape for layer in params["decoder"]["convs"]] == [(16,), (1,)]
            and params["decoder"]["offset"].shape == (1, 8, 8))


@pytest.mark.parametrize("package", [pytest.param(reference, marks=pytest.mark.slow), accel],
                         ids=["reference", "accel"])
def test_one_number_follows_a_moving_blob(package):
    """The best line through the images leaves over a third of their variance; one number through the
    bottleneck a tenth of that."""
    x = blob(150)
    flat = x.reshape(len(x), -1)
    singular = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
    line = np.sum(singular[1:]**2) / x.size
    assert line > flat.var(axis=0).mean() / 3
    settings = {"n_latent": 1, "channels": (4, 8), "hidden": (16,), "batch_size": 50, "learning_rate": 0.01,
                "validation_fraction": 0.0}
    fit = package.representation.conv_autoencoder.fit
    fitted = fit(x, rng=np.random.default_rng(4), max_epochs=100, **settings)
    assert np.mean((fitted.inverse_transform(fitted.transform(x)) - x)**2) < 0.1 * line
    linear = fit(x, rng=np.random.default_rng(4), max_epochs=100, activation=package.nets.dense.IDENTITY,
                 **settings)
    assert np.mean((linear.inverse_transform(linear.transform(x))
                    - x)**2) > line, "no linear map does better than the best line"


@BOTH
def test_arguments_are_not_changed(package):
    x, (module, params) = images(9, (1, 8, 8)), setting(package, (1, 8, 8))
    before = [x.copy(), *(leaf.copy() for _, leaf in package.runtime.tree.leaves(params))]
    module.loss_and_grad(params, x)
    module.decode(params, module.encode(params, x))
    module.fit(x, n_latent=1, rng=np.random.default_rng(0), channels=(2,), hidden=(),
               max_epochs=2).transform(x)
    after = [x, *(leaf for _, leaf in package.runtime.tree.leaves(params))]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_float32_stays_float32():
    x = blob(20).astype(np.float32)
    fitted = accel.representation.conv_autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0),
                                                       channels=(2,), hidden=(), max_epochs=2)
    assert {leaf.dtype for _, leaf in accel.runtime.tree.leaves(fitted.params)} == {np.dtype(np.float32)}
    assert fitted.transform(x).dtype == fitted.inverse_transform(fitted.transform(x)).dtype == np.float32


@pytest.mark.parametrize(("writer", "reader"), [(reference, accel), (accel, reference)],
                         ids=["reference-accel", "accel-reference"])
def test_a_saved_autoencoder_loads_in_the_other_package(tmp_path, writer, reader):
    x, settings = blob(20), {"n_latent": 1, "channels": (2, 3), "hidden": (4,), "max_epochs": 2}
    fitted = writer.representation.conv_autoencoder.fit(x, rng=np.random.default_rng(0), **settings)
    fitted.save(tmp_path / "saved.npz")
    loaded = reader.representation.conv_autoencoder.load(tmp_path / "saved.npz")
    assert loaded.activation is reader.nets.dense.TANH and loaded.history == fitted.history
    assert_close(loaded.inverse_transform(loaded.transform(x)), fitted.inverse_transform(fitted.transform(x)),
                 terms=100)


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    module, x = package.representation.conv_autoencoder, blob(10)
    hole = x.copy()
    hole[3, 0, 1, 1] = np.inf

    def refused(x=x, n_latent=1, **settings):
        return error_of(module.fit, x, n_latent=n_latent, rng=np.random.default_rng(0), **settings)
    assert refused(x[:, 0]) == "ValueError: x: expected shape (N, C, H, W), got (10, 8, 8)"
    assert refused(x[:1]) == "ValueError: x: number of rows: expected a whole number of at least 2, got 1"
    assert refused(hole) == (
        "ValueError: x: expected finite numbers, got NaN or inf in 1 of 10 rows (first: row 3)")
    assert refused(np.ones((5, 1, 8, 8))) == (
        "ValueError: x: standard deviation: expected a positive finite number, got 0.0")
    assert refused(x[:, :, :3]) == (
        "ValueError: shape: expected (C, H, W) with sides that 2 convolutions (one or more) can halve, "
        "got (1, 3, 8)")
    assert refused(channels=(4, 0)) == "ValueError: channels: expected a whole number of at least 1, got 0"
    assert refused(n_latent=0) == "ValueError: n_latent: expected a whole number of at least 1, got 0"
    fitted = module.fit(x, n_latent=1, rng=np.random.default_rng(0), channels=(2,), hidden=(), max_epochs=1)
    assert error_of(fitted.transform, x[:, :, :6]) == (
        "ValueError: x: expected shape (N, 1, 8, 8), got (10, 1, 6, 8)")
    assert error_of(fitted.inverse_transform, np.ones((3, 2))) == (
        "ValueError: z: expected shape (N, 1), got (3, 2)")
    package.representation.pca.fit(np.eye(4), n_components=1).save(tmp_path / "pca.npz")
    assert ("expected a saved 'conv_autoencoder', got a saved 'pca'" in error_of(module.load,
                                                                                 tmp_path / "pca.npz"))
