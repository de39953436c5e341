"""GAN: losses worked by hand and at their optimum, saturated discriminators, central differences, and all
modes of a ring."""
import numpy as np
import pytest
from scipy import integrate, stats

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted, random_tree
from tests.support.ring import covered, ring

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def affine(bias, *weights):
    return np.array([[bias], *([weight] for weight in weights)], dtype=float)


def by_hand():
    """G(z) = 1 + 2z and ℓ(x) = −1 + x: z = (0, 1) makes x̃ = (1, 3) with logits (0, 2); x = (3, 0) has logits
    (2, −1)."""
    return ({"generator": [affine(1, 2)], "discriminator": [affine(-1, 1)]}, np.array([[3.0], [0.0]]),
            np.array([[0.0], [1.0]]))


def small(package, seed=3):
    gan, paint = package.generative.gan, np.random.default_rng(seed)
    params = random_tree(paint, gan.init_params(paint, dim=3, n_latent=2, hidden=(5, 4)), scale=0.6)
    return gan, params, painted(paint, (6, 3)), painted(paint, (4, 2))


@BOTH
def test_losses_by_hand(package):
    """log(1 + e²) = 2.126928011042972, log(1 + e⁻²) = 0.126928011042972, log(1 + e) = 1.313261687518223, log
    2 = 0.693147180559945.

    −log D over x: (log(1 + e⁻²) + log(1 + e))/2; −log(1 − D) over x̃: (log 2 + log(1 + e²))/2.
    """
    gan, (params, x, z) = package.generative.gan, by_hand()
    assert np.array_equal(gan.generate(params, z), [[1.0], [3.0]])
    assert np.array_equal(gan.logits(params, x), [2.0, -1.0])
    log_2, up, down, one = 0.693147180559945, 2.126928011042972, 0.126928011042972, 1.313261687518223
    assert abs(gan.discriminator_loss(params, x, z) - (down + one + log_2 + up) / 2) < 1e-12
    assert abs(gan.generator_loss(params, z) - (log_2 + down) / 2) < 1e-12
    assert abs(gan.minimax_generator_loss(params, z) + (log_2 + up) / 2) < 1e-12


@BOTH
def test_the_loss_from_logits_is_the_loss_from_probabilities(package):
    """(3) as it stands, from D = σ(ℓ); where D rounds to 1 the literal form is infinite, and the other is
    not."""
    gan, params, x, z = small(package)
    literal = reference.generative.gan.literal_discriminator_loss(params, x, z,
                                                                  activation=reference.nets.dense.TANH)
    assert_close(gan.discriminator_loss(params, x, z), literal, terms=50)
    params["discriminator"][-1][0] += 800.0
    with np.errstate(divide="ignore"):
        assert reference.generative.gan.literal_discriminator_loss(params, x, z) == np.inf
    assert np.isfinite(gan.discriminator_loss(params, x, z))


@BOTH
def test_gradients_by_hand(package):
    """With σ(2) = 0.880797077977882, σ(−1) = 0.268941421369995, σ(0) = ½.

    L_D: dℓ = −σ(−ℓ)/2 at x and σ(ℓ)/2 at x̃; the discriminator's bias gathers dℓ, its weight dℓ x. L_G: dℓ
    = −σ(−ℓ)/2 at x̃, and the generator's bias and weight gather dℓ and dℓ z, as ∂ℓ/∂x = 1. Minimax: dℓ =
    −σ(ℓ)/2.
    """
    gan, (params, x, z) = package.generative.gan, by_hand()
    up, down = 0.880797077977882, 1 - 0.268941421369995
    value, grads = gan.discriminator_loss_and_grad(params, x, z)
    assert abs(value - gan.discriminator_loss(params, x, z)) < 1e-14 and list(grads) == ["discriminator"]
    expected = [[(-(1 - up) - down + 0.5 + up) / 2], [(-(1 - up) * 3 + 0.5 * 1 + up * 3) / 2]]
    np.testing.assert_allclose(grads["discriminator"][0], expected, atol=1e-12)
    for function, slopes in ((gan.generator_loss_and_grad, (-0.5, -(1 - up))),
                             (gan.minimax_generator_loss_and_grad, (-0.5, -up))):
        _, grads = function(params, z)
        assert list(grads) == ["generator"]
        np.testing.assert_allclose(grads["generator"][0], [[sum(slopes) / 2], [slopes[1] / 2]], atol=1e-12)


@BOTH
def test_a_discriminator_that_cannot_tell_loses_twice_log_2(package):
    """D = ½ everywhere: L_D = 2 log 2, L_G = log 2, and minimax L_G = −log 2."""
    gan, params, x, z = small(package)
    params["discriminator"][-1][...] = 0
    assert abs(gan.discriminator_loss(params, x, z) - 2 * np.log(2)) < 1e-15
    assert abs(gan.generator_loss(params, z) - np.log(2)) < 1e-15
    assert abs(gan.minimax_generator_loss(params, z) + np.log(2)) < 1e-15


@BOTH
def test_the_best_discriminator_loses_what_theorem_1_says(package):
    """Data N(1, 1), samples N(0, 1): the best logit is log p/p_G = x − ½, which one affine layer is. Its
    loss is 2 log 2 − 2 JS(p, p_G), JS by quadrature; another discriminator does worse by far more than the
    error of the mean."""
    gan, rng, n = package.generative.gan, np.random.default_rng(0), 200_000
    x, z = rng.standard_normal((n, 1)) + 1, rng.standard_normal((n, 1))

    def divergence(t):
        p, q = stats.norm.pdf(t, 1), stats.norm.pdf(t)
        return 0.5 * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)))
    expected = 2 * np.log(2) - 2 * integrate.quad(divergence, -9, 10)[0]
    best = {"generator": [affine(0, 1)], "discriminator": [affine(-0.5, 1)]}
    terms = np.log1p(np.exp(0.5 - x)), np.log1p(np.exp(z - 0.5))
    standard_error = np.sqrt(sum(term.var() for term in terms) / n)
    assert abs(gan.discriminator_loss(best, x, z) - expected) < 4 * standard_error
    assert gan.discriminator_loss(best | {"discriminator": [affine(-0.2, 1)]}, x,
                                  z) > expected + 10 * standard_error
    gradient = gan.discriminator_loss_and_grad(best, x, z)[1]["discriminator"][0]
    assert np.abs(gradient).max() < 4 * max(term.std() for term in terms) / np.sqrt(n)


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_a_saturated_discriminator_leaves_everything_finite(package, dtype, logit):
    """log(1 + e^10000) is 10000 to rounding, and log(1 + e^−10000) is 0."""
    gan, params, x, z = small(package)
    params["discriminator"][-1][...] = 0
    params["discriminator"][-1][0] = logit
    params = package.runtime.tree.tree_map(lambda leaf: leaf.astype(dtype), params)
    x, z = x.astype(dtype), z.astype(dtype)
    for function, arguments, expected in ((gan.discriminator_loss_and_grad, (x, z), 1e4),
                                          (gan.generator_loss_and_grad, (z,), max(0.0, -logit)),
                                          (gan.minimax_generator_loss_and_grad, (z,), min(0.0, -logit))):
        value, grads = function(params, *arguments)
        assert (value == expected
                and all(np.isfinite(leaf).all() for _, leaf in package.runtime.tree.leaves(grads)))


@BOTH
def test_only_the_non_saturating_loss_has_a_slope_when_the_discriminator_is_sure(package):
    """ℓ(x̃) = −40 and ∂ℓ/∂x = 1: the slope in the generator's bias is −1, where the minimax loss has
    −e⁻⁴⁰."""
    gan, z = package.generative.gan, np.zeros((3, 1))
    params = {"generator": [affine(0, 1)], "discriminator": [affine(-40, 1)]}
    assert abs(gan.generator_loss_and_grad(params, z)[1]["generator"][0][0, 0] + 1) < 1e-15
    assert abs(gan.minimax_generator_loss_and_grad(params, z)[1]["generator"][0][0, 0] / np.exp(-40)
               + 1) < 1e-12


@BOTH
@pytest.mark.parametrize("name", ["TANH", "RELU", "LEAKY_RELU", "IDENTITY"])
def test_gradients_are_central_differences(package, name):
    gan, params, x, z = small(package)
    activation = getattr(package.nets.dense, name)
    for loss, with_gradient, arguments in ((gan.discriminator_loss, gan.discriminator_loss_and_grad, (x, z)),
                                           (gan.generator_loss, gan.generator_loss_and_grad, (z,)),
                                           (gan.minimax_generator_loss, gan.minimax_generator_loss_and_grad,
                                            (z,))):
        _, grads = with_gradient(params, *arguments, activation=activation)
        (own,) = grads
        for layer, gradient in zip(params[own], grads[own], strict=True):
            for index in np.ndindex(*layer.shape):
                kept, values = layer[index], []
                for step in (1e-6, -1e-6):
                    layer[index] = kept + step
                    values.append(loss(params, *arguments, activation=activation))
                layer[index] = kept
                assert abs((values[0] - values[1]) / 2e-6 - gradient[index]) < 1e-8, (own, index)


def test_it_learns_a_normal_distribution():
    """Mean and standard deviation of 3 + 2 N(0, 1); after one epoch the latter is far off."""
    x = 3 + 2 * np.random.default_rng(0).standard_normal((500, 1))
    settings = {"n_latent": 1, "hidden": (8,), "activation": accel.nets.dense.TANH, "n_critic": 5,
                "learning_rate": 0.03, "batch_size": 100}
    first, last = (accel.generative.gan.fit(x, rng=np.random.default_rng(1), n_epochs=n_epochs, **settings)
                   .sample(np.random.default_rng(2), 4000) for n_epochs in (1, 200))
    assert abs(last.mean() - x.mean()) < 0.3 and abs(last.std() - x.std()) < 0.3
    assert abs(first.std() - x.std()) > 0.6


@BOTH
def test_float32_stays_float32(package):
    x = ring(np.random.default_rng(0), 60).astype(np.float32)
    fitted = package.generative.gan.fit(x, rng=np.random.default_rng(0), n_latent=2, hidden=(4,), n_epochs=2)
    drawn = fitted.sample(np.random.default_rng(1), 5)
    assert np.isfinite(drawn).all()
    if package is accel:
        assert ({leaf.dtype for _, leaf in package.runtime.tree.leaves(fitted.params)}
                == {np.dtype(np.float32)} and drawn.dtype == np.float32)


@BOTH
def test_arguments_are_not_changed(package):
    gan, params, x, z = small(package)
    before = [x.copy(), z.copy(), *(leaf.copy() for _, leaf in package.runtime.tree.leaves(params))]
    gan.discriminator_loss_and_grad(params, x, z)
    gan.generator_loss_and_grad(params, z)
    gan.minimax_generator_loss_and_grad(params, z)
    gan.fit(x, rng=np.random.default_rng(0), n_latent=2, hidden=(3,),
            n_epochs=2).sample(np.random.default_rng(0), 3)
    after = [x, z, *(leaf for _, leaf in package.runtime.tree.leaves(params))]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    gan, params, x, z = small(package)
    for wrong, message in (((x[:, :2], z), r"x: expected shape \(N, 3\)"),
                           ((x, z[:, :1]), r"z: expected shape \(n, 2\)")):
        with pytest.raises(ValueError, match=message):
            gan.discriminator_loss_and_grad(params, *wrong)
    hole = x.copy()
    hole[4, 1] = np.nan
    for wrong, message in ((x[0], "x: expected shape"), (x[:1], "x: number of rows: expected"),
                           (hole, "x: expected finite numbers, got NaN"),
                           (np.ones((5, 2)), "x: standard deviation")):
        with pytest.raises(ValueError, match=message):
            gan.fit(wrong, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="hidden"):
        gan.fit(x, rng=np.random.default_rng(0), hidden=(0,))
    with pytest.raises(FileNotFoundError):
        gan.load(tmp_path / "none.npz")


RING = {"n_latent": 2, "hidden": (64, 64), "activation": accel.nets.dense.TANH, "learning_rate": 6e-3,
        "averaging": 0.9995, "batch_size": 256, "n_epochs": 400}


@pytest.mark.slow
def test_all_modes_of_a_ring(seed):
    """Eight narrow Gaussians on a circle: every one is made, and nine samples in ten lie within 3σ of one.
    It takes the mean of the generator's weights over the last steps, since the weights themselves go
    round."""
    gan, rng = accel.generative.gan, np.random.default_rng([seed, 0])
    fitted = gan.fit(ring(rng, 5000).astype(np.float32), rng=rng, **RING)
    good, modes = covered(fitted.sample(rng, 10_000))
    assert modes == 8 and good >= 0.9


def test_a_generator_that_collapses_fails_the_ring():
    """Controls for the check above: one mode in place of eight, seven of eight, all eight but too wide; the
    truth passes."""
    rng = np.random.default_rng(0)
    x = ring(rng, 10_000)
    assert covered(x) == (pytest.approx(1 - np.exp(-4.5), abs=0.005), 8)             # 3σ in two dimensions
    assert covered(x[x @ [1.0, 0.1] > 1.9])[1] == 1
    assert covered(x[x[:, 0] < 1.9])[1] == 7
    assert covered(x + 0.05 * rng.standard_normal(x.shape))[0] < 0.9


@pytest.mark.slow
def test_networks_too_small_for_the_modes_fail_the_ring(seed):
    """The control for the training: three hidden units a network cannot hold eight modes apart."""
    gan, rng = accel.generative.gan, np.random.default_rng(seed)
    fitted = gan.fit(ring(rng, 5000).astype(np.float32), rng=rng, **RING | {"hidden": (3,), "n_epochs": 40})
    good, modes = covered(fitted.sample(rng, 10_000))
    assert modes < 8 and good < 0.5
