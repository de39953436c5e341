"""WGAN: losses in closed form, the second-order gradient against differences and autograd, and a distribution
that it learns."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted, random_tree
from tests.support.ring import covered, ring

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def affine(bias, *weights):
    return np.array([[bias], *([weight] for weight in weights)], dtype=float)


def small(package, seed=3):
    wgan, paint = package.generative.wgan, np.random.default_rng(seed)
    params = random_tree(paint, wgan.init_params(paint, dim=3, n_latent=2, hidden=(5, 4)), scale=0.8)
    return wgan, params, painted(paint, (6, 3)), painted(paint, (6, 2)), paint.uniform(0, 1, (6, 1))


@BOTH
def test_a_linear_critic_in_one_dimension(package):
    """G(z) = 1 + 2z, f(x) = 5 + wx, slope w everywhere: L_C = w (E[x̃] − E[x]) + λ (|w| − 1)², so dL_C/dw is
    E[x̃] − E[x] + 2λ (|w| − 1) sign w, the critic's bias does not matter, and L_G = −5 − w E[x̃]."""
    wgan, x, z, u = (package.generative.wgan, np.array([[3.0], [0.5]]), np.array([[0.0], [1.0]]),
                     np.array([[0.2], [0.9]]))
    for w in (3.0, -0.25):
        params = {"generator": [affine(1, 2)], "critic": [affine(5, w)]}
        expected = w * (2.0 - 1.75) + 10 * (abs(w) - 1)**2
        assert abs(wgan.critic_loss(params, x, z, u) - expected) < 1e-12
        value, grads = wgan.critic_loss_and_grad(params, x, z, u)
        assert abs(value - expected) < 1e-12 and list(grads) == ["critic"]
        np.testing.assert_allclose(grads["critic"][0], [[0.0], [0.25 + 20 * (abs(w) - 1) * np.sign(w)]],
                                   atol=1e-12)
        value, grads = wgan.generator_loss_and_grad(params, z)
        assert abs(value - (-5 - 2 * w)) < 1e-12 and list(grads) == ["generator"]
        np.testing.assert_allclose(grads["generator"][0], [[-w], [-0.5 * w]], atol=1e-12)


@BOTH
def test_the_penalty_looks_between_data_and_samples(package):
    """f(x) = relu(3x) has slope 3 right of zero, (3 − 1)² = 4, and 0 left of it, (0 − 1)² = 1. Between x =
    1 and x̃ = −1, where f is 3 and 0, x̂ = 2u − 1 is right of zero for u > ½."""
    wgan, x, z = package.generative.wgan, np.ones((4, 1)), np.zeros((4, 1))
    u = np.array([[0.1], [0.6], [0.7], [0.9]])
    params = {"generator": [affine(-1, 1)], "critic": [affine(0, 3), affine(0, 1)]}
    for mix, right in ((u, 3), (1 - u, 1)):
        value = wgan.critic_loss(params, x, z, mix, penalty=1.0, activation=package.nets.dense.RELU)
        assert abs(value - (0 - 3 + (4 * right + 1 * (4 - right)) / 4)) < 1e-11


@BOTH
@pytest.mark.parametrize("name", ["TANH", "RELU", "LEAKY_RELU", "IDENTITY"])
def test_gradients_are_central_differences(package, name):
    wgan, params, x, z, u = small(package)
    activation = getattr(package.nets.dense, name)
    for loss, with_gradient, arguments in ((wgan.critic_loss, wgan.critic_loss_and_grad, (x, z, u)),
                                           (wgan.generator_loss, wgan.generator_loss_and_grad, (z,))):
        value, grads = with_gradient(params, *arguments, activation=activation)
        assert_close(value, loss(params, *arguments, activation=activation), terms=100)
        (own,) = grads
        for layer, gradient in zip(params[own], grads[own], strict=True):
            for index in np.ndindex(*layer.shape):
                kept, values = layer[index], []
                for step in (1e-5, -1e-5):
                    layer[index] = kept + step
                    values.append(loss(params, *arguments, activation=activation))
                layer[index] = kept
                assert abs((values[0] - values[1]) / 2e-5
                           - gradient[index]) < 1e-6 * max(1, np.abs(gradient).max()), (own, index)


@pytest.mark.parametrize("name", ["TANH", "RELU", "LEAKY_RELU", "IDENTITY"])
@pytest.mark.parametrize("hidden", [(8,), (20, 15), (9, 8, 7)])
def test_the_second_order_gradient_is_autograds(name, hidden):
    paint, grads = np.random.default_rng(0), []
    params = random_tree(paint,
                         reference.generative.wgan.init_params(paint, dim=5, n_latent=3, hidden=hidden),
                         scale=0.8)
    arguments = painted(paint, (20, 5)), painted(paint, (20, 3)), paint.uniform(0, 1, (20, 1))
    for package in (reference, accel):
        activation = getattr(package.nets.dense, name)
        _, gradient = package.generative.wgan.critic_loss_and_grad(params, *arguments, penalty=10.0,
                                                                   activation=activation)
        grads.append(gradient["critic"])
    for expected, actual in zip(*grads, strict=True):
        assert np.abs(actual - expected).max() <= 1e-10 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("penalty", [10.0, 100.0])
def test_the_best_critic_measures_the_wasserstein_distance(penalty):
    """Data N((3, 4), I), samples N(0, I): the distance is W = 5. The best critic is a plane of slope a
    along (3, 4), and 5a − λ(a − 1)² is largest at a = 1 + 5/2λ: −L_C = W + W²/4λ. Trained against a
    generator that stands still, it gets there."""
    wgan, optim, rng = accel.generative.wgan, accel.training.optim, np.random.default_rng(0)
    params = wgan.init_params(rng, dim=2, n_latent=2, hidden=(16,))
    params["generator"] = [np.vstack((np.zeros(2), np.eye(2)))]
    own, losses = {"critic": params["critic"]}, []
    adam = optim.init_adam(own)
    for step in range(500):
        x, noise = rng.standard_normal((128, 2)) + [3.0, 4.0], wgan.draw_noise(params, rng, 128)
        loss, grads = wgan.critic_loss_and_grad({"generator": params["generator"], "critic": own["critic"]},
                                                x, *noise, penalty=penalty)
        own, adam = optim.adam_step(own, grads, adam, learning_rate=0.02 * optim.cosine(step / 500))
        losses.append(loss)
    assert abs(-np.mean(losses[-100:]) - (5 + 25 / (4 * penalty))) < 0.1
    assert abs(-np.mean(losses[:5]) - 5) > 2, "the control: before training"


RING = {"n_latent": 2, "hidden": (64, 64, 64), "activation": accel.nets.dense.TANH, "penalty": 0.03,
        "n_critic": 2, "learning_rate": 3e-3, "averaging": 0.999, "n_epochs": 150}


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(2))
def test_all_modes_of_a_ring(seed, offset):
    """Eight narrow Gaussians on a circle: every one is made, and nine samples in ten lie within 3σ of one."""
    wgan, rng = accel.generative.wgan, np.random.default_rng([seed, offset])
    fitted = wgan.fit(ring(rng, 5000).astype(np.float32), rng=rng, **RING)
    good, modes = covered(fitted.sample(rng, 10_000))
    assert modes == 8 and good >= 0.9


@pytest.mark.slow
def test_networks_too_small_for_the_modes_fail_the_ring(seed):
    """The control for the training: three hidden units a network cannot hold eight modes apart."""
    wgan, rng = accel.generative.wgan, np.random.default_rng(seed)
    fitted = wgan.fit(ring(rng, 5000).astype(np.float32), rng=rng, **RING | {"hidden": (3,), "n_epochs": 20})
    good, modes = covered(fitted.sample(rng, 10_000))
    assert modes < 8 and good < 0.5


@BOTH
def test_float32_stays_float32(package):
    x = ring(np.random.default_rng(0), 60).astype(np.float32)
    fitted = package.generative.wgan.fit(x, rng=np.random.default_rng(0), n_latent=2, hidden=(4,), n_epochs=2,
                                         n_critic=1)
    found = fitted.reconstruct(x[:5], np.random.default_rng(1), n_steps=3)
    assert all(np.isfinite(a).all() for a in found)
    if package is accel:
        assert {a.dtype
                for a in (*found, fitted.sample(np.random.default_rng(1), 5))} == {np.dtype(np.float32)}
        assert {leaf.dtype
                for _, leaf in package.runtime.tree.leaves(fitted.params)} == {np.dtype(np.float32)}


@BOTH
def test_arguments_are_not_changed(package):
    wgan, params, x, z, u = small(package)
    before = [x.copy(), z.copy(), u.copy(), *(leaf.copy() for _, leaf in package.runtime.tree.leaves(params))]
    wgan.critic_loss_and_grad(params, x, z, u)
    wgan.generator_loss_and_grad(params, z)
    wgan.fit(x, rng=np.random.default_rng(0), n_latent=2, hidden=(3,),
             n_epochs=2).anomaly_score(x, np.random.default_rng(0), n_steps=2)
    after = [x, z, u, *(leaf for _, leaf in package.runtime.tree.leaves(params))]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    wgan, params, x, z, u = small(package)
    for wrong, message in (((x[:, :2], z, u), r"x: expected shape \(6, 3\)"),
                           ((x[:4], z, u), r"x: expected shape \(6, 3\)"),
                           ((x, z[:, :1], u), r"z: expected shape \(n, 2\)"),
                           ((x, z, u[:, 0]), r"u: expected shape \(6, 1\)")):
        for function in (wgan.critic_loss, wgan.critic_loss_and_grad):
            with pytest.raises(ValueError, match=message):
                function(params, *wrong)
    hole = x.copy()
    hole[4, 1] = np.nan
    for wrong, message in ((x[0], "x: expected shape"), (x[:1], "x: number of rows: expected"),
                           (hole, "x: expected finite numbers, got NaN"),
                           (np.ones((5, 2)), "x: standard deviation")):
        with pytest.raises(ValueError, match=message):
            wgan.fit(wrong, rng=np.random.default_rng(0))
    for setting, message in (({"hidden": ()}, "hidden"), ({"penalty": 0.0}, "penalty: expected a positive"),
                             ({"n_latent": 0}, "n_latent")):
        with pytest.raises(ValueError, match=message):
            wgan.fit(x, rng=np.random.default_rng(0), **setting)
    with pytest.raises(FileNotFoundError):
        wgan.load(tmp_path / "none.npz")
