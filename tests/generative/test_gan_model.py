"""Fitted GANs: what they answer in the units of the data, and what their files and copies keep."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.support.ring import ring

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"n_latent": 2, "hidden": (4,), "n_epochs": 2, "n_critic": 1}


@BOTH
def test_units_and_origin_do_not_matter_to_samples(package):
    x, settings = (ring(np.random.default_rng(0), 60),
                   {"n_latent": 2, "hidden": (4,), "n_epochs": 3, "batch_size": 20})
    near, far = (package.generative.gan.fit(y, rng=np.random.default_rng(5), **settings)
                 for y in (x, 1e-3 * x + 50.0))
    expected = 1e-3 * near.sample(np.random.default_rng(1), 9) + 50.0
    assert np.abs(far.sample(np.random.default_rng(1), 9) - expected).max() < 1e-9


@BOTH
def test_units_and_origin_do_not_matter_to_anomaly_scores(package):
    x, settings = (ring(np.random.default_rng(0), 60),
                   {"n_latent": 2, "hidden": (4,), "n_epochs": 3, "batch_size": 20, "n_critic": 2})
    near, far = (package.generative.wgan.fit(y, rng=np.random.default_rng(5), **settings)
                 for y in (x, 1e-3 * x + 50.0))
    expected = 1e-3 * near.sample(np.random.default_rng(1), 9) + 50.0
    assert np.abs(far.sample(np.random.default_rng(1), 9) - expected).max() < 1e-9
    scores = (model.anomaly_score(y, np.random.default_rng(2), n_starts=2, n_steps=5)
              for model, y in ((near, x), (far, 1e-3 * x + 50.0)))
    np.testing.assert_allclose(*scores, rtol=1e-6)


@pytest.mark.parametrize(("writer", "reader"), [(reference, accel), (accel, reference)],
                         ids=["reference-accel", "accel-reference"])
def test_a_saved_gan_loads_in_the_other_package(tmp_path, writer, reader):
    x = ring(np.random.default_rng(0), 60)
    fitted = writer.generative.gan.fit(x, rng=np.random.default_rng(0), n_latent=2, hidden=(4,), n_epochs=2)
    fitted.save(tmp_path / "saved.npz")
    loaded = reader.generative.gan.load(tmp_path / "saved.npz")
    assert loaded.activation is reader.nets.dense.TANH and loaded.history == fitted.history
    assert_close(loaded.sample(np.random.default_rng(1), 9), fitted.sample(np.random.default_rng(1), 9),
                 terms=20)


@pytest.mark.parametrize(("writer", "reader"), [(reference, accel), (accel, reference)],
                         ids=["reference-accel", "accel-reference"])
def test_a_saved_wgan_loads_in_the_other_package(tmp_path, writer, reader):
    x = ring(np.random.default_rng(0), 60)
    fitted = writer.generative.wgan.fit(x, rng=np.random.default_rng(0), n_latent=2, hidden=(4,), n_epochs=2,
                                        n_critic=1, activation=writer.nets.dense.TANH)
    fitted.save(tmp_path / "saved.npz")
    loaded = reader.generative.wgan.load(tmp_path / "saved.npz")
    assert loaded.activation is reader.nets.dense.TANH and loaded.history == fitted.history
    ours, theirs = (model.anomaly_score(x[:9], np.random.default_rng(1), n_steps=3)
                    for model in (loaded, fitted))
    assert_close(ours, theirs, terms=100)


@BOTH
def test_a_reconstruction_is_a_sample_near_the_object(package):
    """x in the units of the data is G(z); with no step of the search it is the best of the starts."""
    x = ring(np.random.default_rng(0), 60) + [10.0, -7.0]
    model = package.generative.wgan.fit(x, rng=np.random.default_rng(0), **SMALL)
    found = model.reconstruct(x[:9], np.random.default_rng(1), n_starts=5, n_steps=0)
    made = package.generative.gan.generate(model.params, found.z, activation=model.activation)
    assert_close(found.x, model.mean + model.scale * made, terms=20)
    start = np.random.default_rng(1).standard_normal((9, 5, 2))
    assert all((z == starts).all(axis=1).any() for z, starts in zip(found.z, start, strict=True))
    assert np.array_equal(found.score,
                          model.anomaly_score(x[:9], np.random.default_rng(1), n_starts=5, n_steps=0))


@BOTH
@pytest.mark.parametrize("name", ["gan", "wgan"])
def test_copies_are_equal_and_frozen(package, name):
    x = ring(np.random.default_rng(0), 60)
    model = getattr(package.generative, name).fit(x, rng=np.random.default_rng(0), **SMALL)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(twin) is type(model) and twin.activation is model.activation
        assert np.array_equal(*(one.sample(np.random.default_rng(1), 9) for one in (model, twin)))
        with pytest.raises(TypeError, match="frozen"):
            twin.params["generator"] = []
        with pytest.raises(ValueError, match="read-only"):
            twin.params["generator"][0][0, 0] = 1.0
