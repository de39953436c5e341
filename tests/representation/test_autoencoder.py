"""Autoencoder: hand-worked numbers, central differences, and what theory says that a linear and a curved one
must find."""
import numpy as np
import pytest
import scipy.linalg

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import error_of, painted, random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def correlated(n=300):
    """Six columns of unequal variance, (N, 6)."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((n, 6))
            * (3.0, 2.0, 1.0, 0.7, 0.5, 0.3)) @ scipy.linalg.orth(rng.standard_normal((6, 6))) + 10.0


def arc(n=400):
    """Points on three quarters of a circle: one number tells them apart, but no straight line does, (N,
    2)."""
    angle = np.random.default_rng(1).uniform(0, 1.5 * np.pi, n)
    return np.column_stack((np.cos(angle), np.sin(angle)))


def linear(package, x, **settings):
    return package.representation.autoencoder.fit(x, rng=np.random.default_rng(2),
                                                  activation=package.nets.dense.IDENTITY,
                                                  validation_fraction=0.0, batch_size=len(x),
                                                  learning_rate=0.03, max_epochs=1000, **settings)


@BOTH
def test_hand_worked_loss(package):
    """The code of x is its first entry plus 1; the decoder writes twice the code everywhere. x = (3, 1): z =
    4, x̂ = (8, 8)."""
    params = {"encoder": [np.array([[1.0], [1.0], [0.0]])], "decoder": [np.array([[0.0, 0.0], [2.0, 2.0]])]}
    autoencoder, x = package.representation.autoencoder, np.array([[3.0, 1.0]])
    assert autoencoder.encode(params, x) == 4.0
    assert np.array_equal(autoencoder.reconstruct(params, x), [[8.0, 8.0]])
    assert autoencoder.loss(params, x) == (5.0**2 + 7.0**2) / 2
    value, grads = autoencoder.loss_and_grad(params, x)
    assert value == 37.0
    # dx̂ = (5, 7), times (1, z)
    assert np.array_equal(grads["decoder"][0], [[5.0, 7.0], [20.0, 28.0]])
    # dz = 2·5 + 2·7, times (1, 3, 1)
    assert np.array_equal(grads["encoder"][0], [[24.0], [72.0], [24.0]])


@BOTH
def test_no_activation_on_the_code_and_at_the_end(package):
    """With one hidden tanh unit on either side, by hand: z = 5 tanh(x), x̂ = 7 tanh(z)."""
    one, five, seven = (np.array([[0.0], [weight]]) for weight in (1.0, 5.0, 7.0))
    params = {"encoder": [one, five], "decoder": [one, seven]}
    x = np.array([[0.3], [-2.0]])
    assert_close(package.representation.autoencoder.encode(params, x), 5 * np.tanh(x))
    assert_close(package.representation.autoencoder.reconstruct(params, x), 7 * np.tanh(5 * np.tanh(x)))


@BOTH
@pytest.mark.parametrize("name", ["TANH", "RELU", "IDENTITY"])
def test_gradient_is_the_central_difference(package, name):
    autoencoder, activation, paint = (package.representation.autoencoder, getattr(package.nets.dense, name),
                                      np.random.default_rng(3))
    params = random_tree(paint, autoencoder.init_params(paint, dim=4, n_latent=2, hidden=(5, 3)), scale=0.6)
    x = painted(paint, (6, 4))
    _, grads = autoencoder.loss_and_grad(params, x, activation=activation)
    leaves = package.runtime.tree.leaves
    for (path, leaf), (_, gradient) in zip(leaves(params), leaves(grads), strict=True):
        for index in np.ndindex(*leaf.shape):
            kept, values = leaf[index], []
            for step in (1e-6, -1e-6):
                leaf[index] = kept + step
                values.append(autoencoder.loss(params, x, activation=activation))
            leaf[index] = kept
            assert abs((values[0] - values[1]) / 2e-6 - gradient[index]) < 1e-8, (path, index)


@BOTH
@pytest.mark.parametrize("hidden", [(), (8, 5)], ids=["one layer", "deep"])
def test_without_activations_it_finds_the_principal_subspace(package, hidden):
    """The angle to the subspace of NumPy's SVD, and the loss, which is the variance that two components leave
    over."""
    x = correlated()
    fitted = linear(package, x, n_latent=2, hidden=hidden)
    centred = x - x.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred)
    origin, *ends = fitted.inverse_transform(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    spanned = np.column_stack([end - origin for end in ends])
    assert np.degrees(scipy.linalg.subspace_angles(spanned, directions[:2].T)).max() < 0.1
    assert np.degrees(scipy.linalg.subspace_angles(spanned, directions[[0, 2]].T)).max(
        ) > 45, "another pair must not pass"
    left = np.sum((fitted.inverse_transform(fitted.transform(x)) - x)**2)
    assert abs(left / np.sum(singular[2:]**2) - 1) < 1e-4


@BOTH
def test_with_activations_one_number_follows_a_curve(package):
    """On an arc the best line leaves over a fifth of the variance; a curve through one number less than a
    twentieth of that."""
    x = arc()
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    line = singular[1]**2 / x.size
    assert line > 0.2 * x.var(axis=0).mean()
    fitted = package.representation.autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(4), hidden=(16,),
                                                    learning_rate=0.02, max_epochs=150, patience=150)
    assert np.mean((fitted.inverse_transform(fitted.transform(x)) - x)**2) < 0.05 * line
    straight = linear(package, x, n_latent=1, hidden=(16,))
    assert abs(np.mean((straight.inverse_transform(straight.transform(x)) - x)**2) / line - 1) < 1e-3


@BOTH
def test_units_and_origin_do_not_matter(package):
    """x in other units, far from zero: the same training, so the same reconstruction in those units."""
    x = arc(100)
    settings = {"n_latent": 1, "hidden": (4,), "max_epochs": 5}
    near, far = (package.representation.autoencoder.fit(y, rng=np.random.default_rng(5), **settings)
                 for y in (x, 1e-3 * x + 50.0))
    expected = 1e-3 * near.inverse_transform(near.transform(x)) + 50.0
    assert np.abs(far.inverse_transform(far.transform(1e-3 * x + 50.0)) - expected).max() < 1e-9


@BOTH
def test_float32_stays_float32(package):
    x = arc(60).astype(np.float32)
    fitted = package.representation.autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(4,),
                                                    max_epochs=2)
    if package is accel:
        assert {leaf.dtype
                for _, leaf in package.runtime.tree.leaves(fitted.params)} == {np.dtype(np.float32)}
        assert fitted.transform(x).dtype == fitted.inverse_transform(fitted.transform(x)).dtype == np.float32
    assert np.isfinite(fitted.inverse_transform(fitted.transform(x))).all()


@BOTH
def test_arguments_are_not_changed(package):
    x, rng = arc(50), np.random.default_rng(0)
    params = package.representation.autoencoder.init_params(rng, dim=2, n_latent=1, hidden=(3,))
    before = [x.copy(), *(leaf.copy() for _, leaf in package.runtime.tree.leaves(params))]
    package.representation.autoencoder.loss_and_grad(params, x)
    package.representation.autoencoder.fit(x, n_latent=1, rng=rng, hidden=(3,), max_epochs=2).transform(x)
    after = [x, *(leaf for _, leaf in package.runtime.tree.leaves(params))]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(("writer", "reader"), [(reference, accel), (accel, reference)],
                         ids=["reference-accel", "accel-reference"])
@pytest.mark.parametrize("name", ["TANH", "IDENTITY"])
def test_a_saved_autoencoder_loads_in_the_other_package(tmp_path, writer, reader, name):
    x = arc(60)
    fitted = writer.representation.autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(4,),
                                                   max_epochs=3, activation=getattr(writer.nets.dense, name))
    fitted.save(tmp_path / "saved.npz")
    loaded = reader.representation.autoencoder.load(tmp_path / "saved.npz")
    assert loaded.activation is getattr(reader.nets.dense, name) and loaded.history == fitted.history
    assert_close(loaded.inverse_transform(loaded.transform(x)), fitted.inverse_transform(fitted.transform(x)),
                 terms=20)


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    autoencoder, x = package.representation.autoencoder, arc(20)
    hole = x.copy()
    hole[3, 1] = np.nan

    def refused(x=x, n_latent=1, **settings):
        return error_of(autoencoder.fit, x, n_latent=n_latent, rng=np.random.default_rng(0), **settings)
    assert refused(x[0]) == "ValueError: x: expected shape (N, D), got (2,)"
    assert refused(x[:1]) == "ValueError: x: number of rows: expected a whole number of at least 2, got 1"
    assert refused(hole) == (
        "ValueError: x: expected finite numbers, got NaN or inf in 1 of 20 rows (first: row 3)")
    assert refused(np.ones((5, 2))) == (
        "ValueError: x: standard deviation: expected a positive finite number, got 0.0")
    assert refused(n_latent=0) == "ValueError: n_latent: expected a whole number of at least 1, got 0"
    assert refused(hidden=(4, 0)) == "ValueError: hidden: expected a whole number of at least 1, got 0"
    assert refused(learning_rate=-1.0) == (
        "ValueError: learning_rate: expected a positive finite number, got -1.0")
    fitted = autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(3,), max_epochs=1)
    assert error_of(fitted.transform, x[:, :1]) == "ValueError: x: expected shape (N, 2), got (20, 1)"
    assert error_of(fitted.inverse_transform, x) == "ValueError: z: expected shape (N, 1), got (20, 2)"
    package.representation.pca.fit(x, n_components=1).save(tmp_path / "pca.npz")
    assert ("expected a saved 'autoencoder', got a saved 'pca'" in error_of(autoencoder.load,
                                                                            tmp_path / "pca.npz"))
