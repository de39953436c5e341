"""A fitted VAE: what it answers in the units of the data, and what its file and its copies keep."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def plane(n):
    """Points near a plane in five dimensions, far from the origin and in other units than one, (N, 5)."""
    rng = np.random.default_rng(0)
    on_the_plane = 20 * rng.standard_normal((n, 2)) @ rng.standard_normal((2, 5))
    return 200.0 + on_the_plane + rng.standard_normal((n, 5))


@BOTH
def test_units_and_origin_do_not_matter(package):
    """The same training; log p(x) moves by the logarithm of the volume, D log 1000, and nothing else does."""
    x, settings = plane(100), {"n_latent": 2, "hidden": (4,), "max_epochs": 5}
    near, far = (package.generative.vae.fit(y, rng=np.random.default_rng(5), **settings)
                 for y in (x, 1e-3 * x + 50.0))
    moved = 1e-3 * x + 50.0
    assert np.abs(far.inverse_transform(far.transform(moved)) - 1e-3
                  * near.inverse_transform(near.transform(x)) - 50.0).max() < 1e-9
    gained = far.elbo(np.random.default_rng(0), moved) - near.elbo(np.random.default_rng(0), x)
    assert np.abs(gained - 5 * np.log(1000)).max() < 1e-6
    gained = far.bound(np.random.default_rng(0), 3, moved) - near.bound(np.random.default_rng(0), 3, x)
    assert np.abs(gained - 5 * np.log(1000)).max() < 1e-6


@pytest.mark.parametrize(("writer", "reader"), [(reference, accel), (accel, reference)],
                         ids=["reference-accel", "accel-reference"])
@pytest.mark.parametrize("conditional", [False, True])
def test_a_saved_vae_loads_in_the_other_package(tmp_path, writer, reader, conditional):
    x = np.random.default_rng(0).random((40, 3))
    context = x[:, :1] if conditional else None
    model = writer.generative.vae.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(4,), max_epochs=3,
                                      context=context, likelihood=writer.generative.vae.BERNOULLI)
    model.save(tmp_path / "saved.npz")
    loaded = reader.generative.vae.load(tmp_path / "saved.npz")
    assert loaded.likelihood is reader.generative.vae.BERNOULLI and loaded.history == model.history
    assert (loaded.context_scaling is not None) == conditional
    assert_close(loaded.elbo(np.random.default_rng(1), x, context),
                 model.elbo(np.random.default_rng(1), x, context), terms=20)


@BOTH
def test_a_sample_is_that_of_the_page_in_other_units(package):
    """mean + scale · sample, with the context standardised: for one context, for several, and for means
    alone."""
    x, context = plane(60), 5 + 3 * plane(60)[:, :2]
    model = package.generative.vae.fit(x, n_latent=2, rng=np.random.default_rng(0), hidden=(4,), max_epochs=2,
                                       context=context)
    for mean_only in (False, True):
        drawn = model.sample(np.random.default_rng(1), 4, context[:3], mean_only=mean_only)
        there = package.generative.vae.sample(model.params, np.random.default_rng(1), 4,
                                              model.context_scaling.apply(context[:3]), mean_only=mean_only)
        assert drawn.shape == (3, 4, 5)
        assert_close(drawn, model.mean + model.scale * there, terms=4)


@BOTH
@pytest.mark.parametrize("conditional", [False, True])
def test_copies_are_equal_and_frozen(package, conditional):
    x = plane(60)
    context = x[:, :1] if conditional else None
    model = package.generative.vae.fit(x, n_latent=2, rng=np.random.default_rng(0), hidden=(4,), max_epochs=2,
                                       context=context)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.likelihood is model.likelihood and twin.history == model.history
        assert np.array_equal(twin.transform(x, context), model.transform(x, context))
        with pytest.raises(TypeError, match="frozen"):
            twin.params["log_var"] = 1.0


def test_the_likelihood_decides_the_scale():
    """Data between 0 and 1 stay as they are for a Bernoulli likelihood; otherwise x is centred and
    divided."""
    for package in (reference, accel):
        scale_data, x = package.generative.vae_model.scale_data, np.random.default_rng(0).random((50, 3))
        kinds = package.generative.likelihoods
        (same,), mean, scale, context_scaling = scale_data(x, None, kinds.BERNOULLI)
        assert np.array_equal(same, x) and not mean.any() and scale == 1 and context_scaling is None
        (moved, context), mean, scale, context_scaling = scale_data(x, x + 9, kinds.GAUSSIAN)
        assert (abs(moved.mean()) < 1e-12 and abs(moved.std() - 1) < 1e-2
                and np.abs(context.std(axis=0) - 1).max() < 1e-12)
        assert_close(context_scaling.undo(context), x + 9, terms=20)
