"""Variational autoencoder: the likelihood of probabilistic PCA in closed form, central differences, and what
a context must change."""
import numpy as np
import pytest
import scipy.linalg
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import error_of, painted, random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def plane(n=400):
    """Points near a plane in five dimensions, far from the origin and in other units than one, (N, 5)."""
    rng = np.random.default_rng(0)
    directions = scipy.linalg.orth(rng.standard_normal((5, 2))) * (30.0, 15.0)
    return rng.standard_normal((n, 2)) @ directions.T + 5 * rng.standard_normal((n, 5)) + 100.0


def best_log_likelihood(x, n_latent):
    """The maximum of the mean log-density over all probabilistic PCAs: Tipping and Bishop, 1999, from the
    eigenvalues."""
    n, dim = x.shape
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    rest = values[n_latent:].mean()
    return -0.5 * (dim * np.log(2 * np.pi) + np.log(values[:n_latent]).sum() + (dim - n_latent) * np.log(rest)
                   + dim)


def expected_elbo(package, model, x):
    """The mean bound in the units of x; with one layer on either side these 2L points give its expectation
    exactly."""
    n_latent = model.transform(x).shape[1]
    points = np.sqrt(n_latent) * np.vstack((np.eye(n_latent), -np.eye(n_latent)))
    scaled = (x - model.mean) / model.scale
    bounds = [package.generative.elbo.elbo(model.params, scaled, np.tile(point, (len(x), 1))).mean()
              for point in points]
    return np.mean(bounds) - x.shape[1] * np.log(model.scale)


@BOTH
def test_training_finds_the_maximum_of_log_p(package):
    """Within 1e-3 nats, from below; σ and the subspace too. One latent fewer must fail."""
    x = plane()
    settings = {"hidden": (), "learning_rate": 0.05, "batch_size": len(x), "max_epochs": 600,
                "validation_fraction": 0.0}
    model = package.generative.vae.fit(x, n_latent=2, rng=np.random.default_rng(1), **settings)
    best, bound = best_log_likelihood(x, 2), expected_elbo(package, model, x)
    assert -1e-3 < bound - best < 0
    assert best - best_log_likelihood(x, 1) > 0.1
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    layer, log_var = model.params["decoder"][0], 16 * np.tanh(model.params["log_var"][0] / 16)
    assert abs(model.scale * np.exp(0.5 * log_var) / np.sqrt(values[:3].mean()) - 1) < 0.01
    assert np.degrees(scipy.linalg.subspace_angles(layer[1:].T, vectors[:, 3:])).max() < 0.1
    sampled = model.bound(np.random.default_rng(2), 64, x).mean()
    assert bound - 1e-3 < sampled < best + 1e-3


@BOTH
def test_a_fixed_sigma_stays_and_a_learnt_one_moves(package):
    x, kinds = plane(100), package.generative.likelihoods
    start = {"n_latent": 1, "hidden": (4,), "sigma": 20.0, "max_epochs": 5}
    for kind, stays in ((kinds.FIXED_GAUSSIAN, True), (kinds.GAUSSIAN, False)):
        model = package.generative.vae.fit(x, rng=np.random.default_rng(0), likelihood=kind, **start)
        sigma = model.scale * np.exp(8 * np.tanh(model.params["log_var"][0] / 16))
        assert (abs(sigma / 20 - 1) < 1e-12) == stays


@BOTH
@pytest.mark.parametrize("context_dim", [0, 2])
@pytest.mark.parametrize("kind", ["GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI"])
def test_gradient_is_the_central_difference(package, kind, context_dim):
    vae, paint, likelihood = (package.generative.vae, np.random.default_rng(3),
                              getattr(package.generative.likelihoods, kind))
    tree = vae.init_params(paint, dim=4, n_latent=2, context_dim=context_dim, hidden=(5, 3),
                           likelihood=likelihood)
    params, x, noise = random_tree(paint, tree, scale=0.7), paint.random((6, 4)), painted(paint, (6, 2))
    settings = {"context": painted(paint, (6, context_dim)) if context_dim else None, "beta": 0.6,
                "likelihood": likelihood}
    value, grads = vae.loss_and_grad(params, x, noise, **settings)
    assert abs(value - vae.loss(params, x, noise, **settings)) < 1e-13
    leaves = package.runtime.tree.leaves
    for (path, leaf), (_, gradient) in zip(leaves(params), leaves(grads), strict=True):
        if kind == "FIXED_GAUSSIAN" and path == "log_var":
            assert not gradient.any()
            continue
        for index in np.ndindex(*leaf.shape):
            kept, values = leaf[index], []
            for step in (1e-6, -1e-6):
                leaf[index] = kept + step
                values.append(vae.loss(params, x, noise, **settings))
            leaf[index] = kept
            assert abs((values[0] - values[1]) / 2e-6 - gradient[index]) < 1e-7, (path, index)


@BOTH
def test_beta_weighs_the_kl(package):
    """The loss is a straight line in β, whose slope is the mean KL; at β = 1 it is minus the mean bound."""
    vae, paint = package.generative.vae, np.random.default_rng(4)
    params = random_tree(paint, vae.init_params(paint, dim=3, n_latent=2, hidden=(4,)), 0.8)
    x, noise = painted(paint, (9, 3)), painted(paint, (9, 2))
    terms = package.generative.elbo.elbo_terms(params, x, noise)
    assert_close(vae.loss(params, x, noise, beta=0.0), -terms.log_likelihood.mean(), terms=20)
    assert_close(vae.loss(params, x, noise, beta=2.0) - vae.loss(params, x, noise), terms.kl.mean(), terms=50)
    assert_close(vae.loss(params, x, noise), -package.generative.elbo.elbo(params, x, noise).mean(), terms=20)


@BOTH
def test_samples_have_the_moments_of_p(package, seed):
    """One layer: p(x|c) is normal with mean b + c W_c and covariance W Wᵀ + σ² I. Five standard errors;
    without the noise, or with the other context, it must fail."""
    vae, paint, n = package.generative.vae, np.random.default_rng(5), 40_000
    params = random_tree(paint,
                         vae.init_params(paint, dim=2, n_latent=2, context_dim=1, hidden=(), sigma=0.5), 1.0)
    layer, variance, context = (params["decoder"][0], np.exp(16 * np.tanh(params["log_var"][0] / 16)),
                                np.array([[0.0], [1.5]]))
    covariance = layer[2:].T @ layer[2:] + variance * np.eye(2)
    x = vae.sample(params, np.random.default_rng(seed), n, context)
    bare = vae.sample(params, np.random.default_rng(seed), n, context, mean_only=True)
    assert x.shape == bare.shape == (2, n, 2)

    def fits(drawn, c):
        close = np.abs(drawn.mean(axis=0) - layer[0] - c @ layer[1:2]) < 5 * np.sqrt(np.diag(covariance) / n)
        spread = np.sqrt((covariance**2 + np.outer(np.diag(covariance), np.diag(covariance))) / n)
        return bool(close.all() and np.all(np.abs(np.cov(drawn.T) - covariance) < 5 * spread))
    assert fits(x[0], context[0]) and fits(x[1], context[1])
    assert not fits(x[0], context[1]) and not fits(bare[0], context[0])


@BOTH
def test_a_context_says_what_to_draw(package):
    """Two shifted groups in units of their own: each label draws its own group, and knowing the label raises
    the bound."""
    rng = np.random.default_rng(6)
    label = np.repeat([0.0, 1.0], 150)[:, None]
    x = 100 * (np.array([[3.0, 0.0]]) * label + 0.3 * rng.standard_normal((300, 2)))
    settings = {"n_latent": 1, "hidden": (8,), "learning_rate": 0.05, "batch_size": 100, "max_epochs": 80,
                "validation_fraction": 0.0}
    told = package.generative.vae.fit(x, rng=np.random.default_rng(7), context=label, **settings)
    untold = package.generative.vae.fit(x, rng=np.random.default_rng(7), **settings)
    drawn = told.sample(np.random.default_rng(8), 500, np.array([[0.0], [1.0]]))
    assert (np.abs(drawn.mean(axis=1) - [[0, 0], [300, 0]]).max() < 10
            and np.abs(drawn.std(axis=1) - 30).max() < 5)
    assert told.elbo(np.random.default_rng(9), x,
                     label).mean() > untold.elbo(np.random.default_rng(9), x).mean() + 0.8
    density = stats.norm(300 * label[:, 0], 30).logpdf(x[:, 0]) + stats.norm(0, 30).logpdf(x[:, 1])
    assert told.elbo(np.random.default_rng(9), x, label).mean() < density.mean(
        ) + 0.05, "no model beats the truth by more than it overfits"


@BOTH
def test_bernoulli_learns_the_frequencies(package):
    """Two kinds of images of four pixels, none in common: four in five samples are whole, where pixels
    drawn one by one make one in eight; and each kind has its share."""
    x = np.repeat([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], 100, axis=0)
    model = package.generative.vae.fit(x, n_latent=1, rng=np.random.default_rng(0),
                                       likelihood=package.generative.vae.BERNOULLI, hidden=(16,),
                                       learning_rate=0.03, batch_size=200, max_epochs=300,
                                       validation_fraction=0.0)
    drawn = model.sample(np.random.default_rng(1), 2000)
    whole = (drawn == x[0]).all(axis=1), (drawn == x[-1]).all(axis=1)
    assert min(kind.mean() for kind in whole) > 0.35 and sum(kind.mean() for kind in whole) > 0.8
    assert -np.log(2) - 0.2 < model.bound(np.random.default_rng(2), 100,
                                          x).mean() < -np.log(2) + 1e-2, "log p of either kind is −log 2"
    means = model.inverse_transform(model.transform(x))
    assert np.abs(means - x).max() < 0.1


@BOTH
def test_float32_stays_float32(package):
    x = plane(60).astype(np.float32)
    model = package.generative.vae.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(4,), max_epochs=2)
    rng = np.random.default_rng(1)
    found = [model.transform(x), model.inverse_transform(model.transform(x)), model.sample(rng, 3),
             model.elbo(rng, x), model.bound(rng, 3, x)]
    assert all(np.isfinite(a).all() for a in found)
    if package is accel:
        assert {a.dtype for a in found} | {
            leaf.dtype for _, leaf in package.runtime.tree.leaves(model.params)} == {np.dtype(np.float32)}


@BOTH
def test_data_that_are_restored_exactly_do_not_blow_up(package):
    """On a line, without noise: σ shrinks towards its bound, and everything stays finite in float32."""
    t = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    model = package.generative.vae.fit(np.hstack((t, 2 * t, -t)), n_latent=1, rng=np.random.default_rng(0),
                                       hidden=(), learning_rate=0.1, max_epochs=400, batch_size=64,
                                       validation_fraction=0.0)
    assert np.isfinite(model.history["train_loss"]).all()
    assert np.exp(8 * np.tanh(model.params["log_var"][0] / 16)) < 0.05


@BOTH
def test_arguments_are_not_changed(package):
    x, rng, vae = plane(50), np.random.default_rng(0), package.generative.vae
    params, noise, context = (vae.init_params(rng, dim=5, n_latent=1, context_dim=2, hidden=(3,)),
                              rng.random((50, 1)), rng.random((50, 2)))
    inputs = [x, noise, context, *(leaf for _, leaf in package.runtime.tree.leaves(params))]
    before = [a.copy() for a in inputs]
    vae.loss_and_grad(params, x, noise, context)
    package.generative.elbo.elbo(params, x, noise, context)
    package.generative.elbo.importance_weighted_bound(params, x, noise[None], context)
    model = vae.fit(x, n_latent=1, rng=rng, context=context, hidden=(3,), max_epochs=2)
    model.sample(rng, 3, context)
    model.elbo(rng, x, context)
    model.inverse_transform(noise, context)
    assert all(np.array_equal(a, b) for a, b in zip(inputs, before, strict=True))


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    vae, x = package.generative.vae, plane(20)
    hole = x.copy()
    hole[3, 1] = np.nan

    def refused(x=x, n_latent=1, **settings):
        return error_of(vae.fit, x, n_latent=n_latent, rng=np.random.default_rng(0), **settings)
    assert refused(x[0]) == "ValueError: x: expected shape (N, D), got (5,)"
    assert refused(x[:1]) == "ValueError: x: number of rows: expected a whole number of at least 2, got 1"
    assert refused(hole) == (
        "ValueError: x: expected finite numbers, got NaN or inf in 1 of 20 rows (first: row 3)")
    assert refused(likelihood=vae.BERNOULLI) == (
        "ValueError: x: expected numbers between 0 and 1 for a Bernoulli likelihood, got 100 others")
    assert refused(likelihood="bernoulli") == (
        "ValueError: likelihood: expected GAUSSIAN, FIXED_GAUSSIAN or BERNOULLI, got 'bernoulli'")
    assert refused(likelihood=vae.FIXED_GAUSSIAN) == (
        "ValueError: sigma: expected a positive number with a fixed Gaussian, got None")
    assert refused(sigma=-1.0) == "ValueError: sigma: expected a positive finite number, got -1.0"
    assert refused(sigma=1e9).startswith("ValueError: sigma: expected a number between e^-8 and e^8")
    assert refused(beta=-1.0) == "ValueError: beta: expected a finite number, zero or above, got -1.0"
    assert refused(context=np.zeros((19, 2))) == "ValueError: context: expected shape (20, C), got (19, 2)"
    assert refused(context=hole) == (
        "ValueError: context: expected finite numbers, got NaN or inf in 1 of 20 rows (first: row 3)")
    assert refused(n_latent=0) == "ValueError: n_latent: expected a whole number of at least 1, got 0"
    assert refused(hidden=(4, 0)) == "ValueError: hidden: expected a whole number of at least 1, got 0"
    told = vae.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(3,), max_epochs=1, context=x[:, :2])
    untold = vae.fit(x, n_latent=1, rng=np.random.default_rng(0), hidden=(3,), max_epochs=1)
    assert error_of(told.transform, x[:, :1], x[:, :2]) == "ValueError: x: expected shape (N, 5), got (20, 1)"
    assert error_of(told.transform, x) == "ValueError: context: expected shape (20, 2), got none"
    assert error_of(told.transform, x, x[:19, :2]) == (
        "ValueError: context: expected shape (20, 2), got (19, 2)")
    assert error_of(told.sample, np.random.default_rng(0), 3) == (
        "ValueError: context: expected shape (M, 2), got none")
    assert error_of(told.sample, np.random.default_rng(0), 3, x) == (
        "ValueError: context: expected shape (M, 2), got (20, 5)")
    assert error_of(untold.transform, x, x).startswith("ValueError: context: expected none")
    package.representation.pca.fit(x, n_components=1).save(tmp_path / "pca.npz")
    assert "expected a saved 'vae', got a saved 'pca'" in error_of(vae.load, tmp_path / "pca.npz")
