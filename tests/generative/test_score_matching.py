"""Score matching: its rungs against each other, Gaussian data with a known least loss, a known mixture."""
import numpy as np
import pytest
from autograd import grad

import accel
import reference
from reference.density import gmm, mixture_score
from reference.generative import score_matching
from tests.agreement.comparator import assert_close

MEAN, ROOT = np.array([1.0, -2.0, 0.5]), np.array([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.4, 0.2]])
COVARIANCE = ROOT @ ROOT.T                                            # deviations 0.15 to 1.3, correlated
LEVELS = score_matching.noise_levels(4.0, 0.05, 8)
GAP = gmm.GaussianMixture(np.array([0.8, 0.2]), np.array([[-4.0, 0.0], [4.0, 0.0]]), np.full((2, 2), 0.8),
                          gmm.SPHERICAL, np.zeros(1), True)


def normal(n, seed=0):
    return np.random.default_rng(seed).multivariate_normal(MEAN, COVARIANCE, n)


def exact(x, sigma):
    """−(Σ + σ²I)⁻¹ (x − m)."""
    return -np.linalg.solve(COVARIANCE + sigma**2 * np.eye(3), (x - MEAN).T).T


def relative_error(found, truth):
    return np.sqrt(np.sum((found - truth)**2) / np.sum(truth**2))


def errors(model, n=4000):
    """The relative error at every level, over points of the smoothed density."""
    rng, x = np.random.default_rng(9), normal(n, seed=8)
    noisy = [(x + sigma * rng.standard_normal(x.shape), sigma) for sigma in LEVELS]
    return np.array([relative_error(model.score(at, sigma), exact(at, sigma)) for at, sigma in noisy])


def untrained(dim, hidden=(8,), seed=0):
    return score_matching.init_params(np.random.default_rng(seed), dim=dim, hidden=hidden)


def random_params(dim, seed=0):
    rng = np.random.default_rng(seed)
    return {"layers": [0.5 * rng.standard_normal(layer.shape) for layer in untrained(dim)["layers"]]}


def test_gaussian_data_within_five_percent_at_every_level():
    """The network is trained for all of its steps, and has had the chance to spoil what it starts from."""
    model = score_matching.fit(normal(10_000), rng=np.random.default_rng(1), sigmas=LEVELS, hidden=(32, 32),
                               batch_size=500, max_epochs=15,
                               validation_fraction=0.0)
    assert np.abs(model.params["layers"][-1]).max() > 0.01, "the network has changed"
    assert errors(model).max() < 0.05
    half = model._replace(axes=model.axes._replace(explained_variance=model.axes.explained_variance / 2))
    assert errors(half).max() > 0.3, "the control"


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_least_loss_is_the_closed_form(sigma):
    """min J = D/2σ² − ½ E‖∇ log q_σ‖² and, off the minimum, ½ E‖s − ∇ log q_σ‖² more; both have closed forms
    for a Gaussian."""
    k, rng, params = np.array([1.5, 0.4]), np.random.default_rng(4), untrained(2)
    v = k**2 + sigma**2
    least, wrong = 2 / (2 * sigma**2) - 0.5 * np.sum(1 / v), np.array([1.2, 0.6])
    excess = 0.5 * np.sum((1 / v - 1 / (wrong**2 + sigma**2))**2 * v)

    def off(spread, expected):
        values = np.array([score_matching.dsm(params, k * rng.standard_normal((2000, 2)),
                                              rng.standard_normal((2000, 2)), sigma=sigma,
                                              spread=spread) for _ in range(40)])
        return (values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values)))
    assert abs(off(k, least)) < 4
    assert abs(off(wrong, least + excess)) < 4
    assert off(wrong, least) > 4, "the control"


def test_dsm_is_vincents_sum_written_out():
    params, rng, sigma, k = random_params(3), np.random.default_rng(5), 0.7, np.array([1.2, 0.5, 0.0])
    x, epsilon = rng.standard_normal((2, 11, 3))
    terms = []
    for x_n, e_n in zip(x, epsilon):
        s = score_matching.score(params, (x_n + sigma * e_n)[None], sigma, spread=k)[0]
        terms.append(0.5 * np.sum((s + e_n / sigma)**2))
    for package in (reference, accel):
        found = package.generative.score_matching.dsm(params, x, epsilon, sigma=sigma, spread=k)
        assert_close(found, np.mean(terms), terms=100)


def test_the_rungs_are_the_mean_over_levels_and_over_both_signs():
    """NCSN's loss is the mean of λ J over the levels; the loss that is used is its mean over ε and −ε."""
    params, rng, sigmas, k = random_params(3), np.random.default_rng(5), (2.0, 0.7, 0.2), [1.2, 0.5, 0.0]
    x, epsilon = rng.standard_normal((2, 11, 3))
    every = [np.concatenate([a] * 3) for a in (x, epsilon)]
    u, settings = np.repeat([0.1, 0.5, 0.9], 11), {"sigmas": sigmas, "spread": np.array(k)}
    plain = []
    for e in (1, -1):
        parts = [sigma**2 * score_matching.dsm(params, x, e * epsilon, sigma=sigma, spread=settings["spread"])
                 for sigma in sigmas]
        plain.append(score_matching.ncsn_loss(params, every[0], u, e * every[1], **settings))
        assert_close(plain[-1], np.mean(parts), terms=100)
    assert abs(plain[0] / plain[1] - 1) > 0.01, "the control: the two signs differ"
    for package in (reference, accel):
        found = package.generative.score_matching.loss(params, every[0], u, every[1], **settings)
        assert_close(found, np.mean(plain), terms=100)


def test_where_sigma_is_small_a_pair_has_nearly_no_noise():
    """The spread of one component of the gradient over many draws of ε for the same x, for both losses."""
    params, rng, sigma = random_params(1), np.random.default_rng(8), 1e-3
    x, u = rng.standard_normal((50, 1)), np.zeros(50)

    def spread(loss):
        draws = rng.standard_normal((40, 50, 1))
        gradients = [grad(loss)(params, x, u, e, sigmas=(sigma,))["layers"][-1][0, 0] for e in draws]
        return np.std(gradients)
    assert spread(score_matching.loss) < 0.1 * spread(score_matching.ncsn_loss)


def test_a_draw_chooses_every_level_alike():
    """The loss of an untrained network is ½ D k²/(k² + σ²) at a level; here its mean over all levels."""
    sigmas, n = (4.0, 1.0, 0.25), 30_000
    rng, params = np.random.default_rng(6), untrained(1)
    x = rng.standard_normal((n, 1))
    value = score_matching.loss(params, x, *score_matching.draw_noise(rng, n, dim=1), sigmas=sigmas)
    assert abs(value - np.mean([0.5 / (1 + sigma**2) for sigma in sigmas])) < 0.01


def test_gradient_is_the_central_difference():
    params, rng = random_params(2), np.random.default_rng(7)
    x, noise = rng.standard_normal((5, 2)), score_matching.draw_noise(rng, 5, dim=2)
    _, grads = score_matching.loss_and_grad(params, x, *noise, sigmas=(1.0, 0.3), spread=np.array([1.0, 0.4]))
    for layer, place in ((0, (2, 3)), (1, (0, 1)), (1, (4, 0))):
        def at(h):
            moved = {"layers": [a.copy() for a in params["layers"]]}
            moved["layers"][layer][place] += h
            return score_matching.loss(moved, x, *noise, sigmas=(1.0, 0.3), spread=np.array([1.0, 0.4]))
        assert (at(1e-5) - at(-1e-5)) / 2e-5 == pytest.approx(grads["layers"][layer][place], rel=1e-6)


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    @pytest.mark.parametrize(("change", "words"), [
        ({"sigmas": (0.1, 0.2)}, "sigmas: expected strictly decreasing"),
        ({"sigmas": (1.0, 1.0)}, "strictly decreasing"), ({"sigmas": (1.0, 0.0)}, "sigmas: last level"),
        ({"hidden": ()}, "hidden: number of layers"), ({"hidden": (0,)}, "hidden"),
        ({"x": np.zeros((3, 3))}, "x: expected more rows than columns"),
        ({"x": np.ones((9, 2))}, "x: standard deviation"),
        ({"x": np.full((9, 2), np.nan)}, "x: expected finite"), ({"x": np.zeros(9)}, "x: expected shape"),
        ({"max_epochs": 0}, "max_epochs")])
    def test_bad_input_is_refused(self, package, change, words):
        settings = {"x": normal(30), "rng": np.random.default_rng(0)} | change
        with pytest.raises(ValueError, match=words):
            package.generative.score_matching.fit(settings.pop("x"), **settings)


@pytest.mark.slow
def test_learnt_score_carries_the_weights_across_a_gap():
    """As the experiment langevin_mixture does; the control is plain Langevin along the same learnt score."""
    rng, n = np.random.default_rng(10), 5000
    levels = score_matching.noise_levels(8.0, 0.3, 12)
    x = GAP.sample(rng, 20_000).astype(np.float32)
    model = accel.generative.score_matching.fit(x, rng=rng, sigmas=levels, hidden=(64, 64),
                                                learning_rate=1e-2, batch_size=1000,
                                                max_epochs=60, validation_fraction=0.0)
    found = model.sample(rng, n)
    start = (8 * rng.standard_normal((n, 2))).astype(np.float32)
    plain = accel.generative.langevin.unadjusted(rng, model.score, start, step_size=0.1, n_steps=1200,
                                                 sigma=0.3).x
    assert abs((found[:, 0] < 0).mean() - 0.8) < 0.02
    assert abs((plain[:, 0] < 0).mean() - 0.8) > 0.2, "the control"
    at = mixture_score.smoothed(GAP, 0.3).sample(rng, 4000)
    assert relative_error(model.score(at.astype(np.float32), 0.3), mixture_score.score(GAP, at, 0.3)) < 0.15
