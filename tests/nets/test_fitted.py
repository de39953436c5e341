"""Fitted networks: their description, files that hold it, and parameters that nobody can change."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.registry import error_of

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
X = np.random.default_rng(0).standard_normal((30, 4))


def model_of(package, activation="TANH"):
    return package.representation.autoencoder.fit(X, n_latent=1, rng=np.random.default_rng(1), hidden=(3,),
                                                  max_epochs=1,
                                                  activation=getattr(package.nets.dense, activation))


@BOTH
@pytest.mark.parametrize("activation", ["TANH", "RELU", "LEAKY_RELU", "IDENTITY"])
def test_a_description_makes_the_same_model(package, activation):
    model, fitted = model_of(package, activation), package.nets.fitted
    description = fitted.describe(model)
    assert description["activation"] == activation.lower()
    again = fitted.restore(type(model), description)
    assert again.activation is model.activation
    assert np.array_equal(again.transform(X), model.transform(X))


@BOTH
def test_parameters_are_frozen(package):
    model = model_of(package)
    for params in (model.params,
                   package.nets.fitted.restore(type(model), package.nets.fitted.describe(model)).params):
        with pytest.raises(TypeError, match="frozen"):
            params["encoder"] = []
        with pytest.raises(ValueError, match="read-only"):
            params["encoder"][0][0] = 0.0
    plain = package.runtime.tree.tree_map(np.copy, model.params)
    plain["encoder"][0][0] += 1.0
    assert np.abs(model._replace(params=plain).transform(X) - model.transform(X)).max() > 1e-3


@BOTH
def test_an_activation_of_ones_own_has_no_name_to_save(package, tmp_path):
    own = package.nets.dense.TANH._replace(name="own")
    model = model_of(package)._replace(activation=own)
    said = error_of(model.save, tmp_path / "model.npz")
    assert said == "ValueError: name: expected tanh, relu, leaky_relu or identity, got 'own'"
    assert not (tmp_path / "model.npz").exists()


@BOTH
def test_a_file_of_another_kind_is_refused(package, tmp_path):
    model_of(package).save(tmp_path / "model.npz")
    said = error_of(package.generative.gan.load, tmp_path / "model.npz")
    assert "expected a saved 'gan', got a saved 'autoencoder'" in said


def test_a_model_moves_with_its_activation():
    """`device.put` gives float32 and frozen parameters, and the activation is the same object."""
    model = accel.device.put(model_of(accel), np, "float32")
    assert (model.activation is accel.nets.dense.TANH
            and model.mean.dtype == model.params.flat.dtype == np.float32)
    assert model.transform(X.astype(np.float32)).dtype == np.float32
    with pytest.raises(TypeError, match="frozen"):
        model.params["encoder"] = []
