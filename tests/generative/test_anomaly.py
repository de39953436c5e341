"""The anomaly score: numbers worked by hand, its gradient, and a search that finds the least score where it
is known."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted, random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def by_hand(package):
    """G(z) = (z, 2z, 0), a line through the origin; h(x) = x₁ + x₂ through one unit without an activation."""
    params = {"generator": [np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]])],
              "critic": [np.array([[0.0], [1.0], [1.0], [0.0]]), np.ones((2, 1))]}
    return package.generative.anomaly, params, package.nets.dense.IDENTITY


def small(package, seed=3):
    paint = np.random.default_rng(seed)
    params = random_tree(paint, package.generative.wgan.init_params(paint, dim=4, n_latent=2, hidden=(5, 3)),
                         scale=0.8)
    return package.generative.anomaly, params, painted(paint, (6, 4)), painted(paint, (6, 2))


@BOTH
def test_score_by_hand(package):
    """x = (1, 3, 4) and z = 2, G = (2, 4, 0): rms of (−1, −1, 4) is √(18/3) = √6; h(x) = 4 and h(G) = 6
    differ by 2."""
    anomaly, params, identity = by_hand(package)
    x, z = np.array([[1.0, 3.0, 4.0]]), np.array([[2.0]])
    assert np.array_equal(anomaly.features(params, x, activation=identity), [[4.0]])
    for balance, expected in ((1.0, np.sqrt(6)), (0.0, 2.0), (0.9, 0.9 * np.sqrt(6) + 0.2)):
        assert_close(anomaly.anomaly_score(params, x, z, balance=balance, activation=identity),
                     np.array([expected]), terms=3)
    _, dz = anomaly.anomaly_score_and_grad(params, x, z, balance=1.0, activation=identity)
    # r·∂G/∂z / (D rms), r = G − x = (1, 1, −4)
    assert_close(dz, np.array([[(1 * 1 + 1 * 2) / (3 * np.sqrt(6))]]), terms=10)
    _, dz = anomaly.anomaly_score_and_grad(params, x, z, balance=0.0, activation=identity)
    assert_close(dz, np.array([[3.0]]), terms=10)                                          # ∂|3z − 4|/∂z


@BOTH
@pytest.mark.parametrize("name", ["TANH", "RELU", "LEAKY_RELU", "IDENTITY"])
@pytest.mark.parametrize("balance", [0.0, 0.4, 1.0])
def test_gradient_is_the_central_difference(package, name, balance):
    anomaly, params, x, z = small(package)
    settings, h = {"balance": balance, "activation": getattr(package.nets.dense, name)}, 1e-6
    score, dz = anomaly.anomaly_score_and_grad(params, x, z, **settings)
    assert_close(score, anomaly.anomaly_score(params, x, z, **settings), terms=50)
    for k in range(2):
        up, down = (anomaly.anomaly_score(params, x, z + step * np.eye(2)[k], **settings) for step in (h, -h))
        expected = (up - down) / (2 * h)
        np.testing.assert_allclose(dz[:, k], expected, atol=1e-7)


@BOTH
def test_an_exact_reconstruction_scores_zero_with_a_finite_slope(package):
    anomaly, params, _, z = small(package)
    x = package.nets.dense.mlp(params["generator"], z, activation=package.nets.dense.LEAKY_RELU)
    score, dz = anomaly.anomaly_score_and_grad(params, x, z)
    assert np.abs(score).max() < 1e-11 and np.isfinite(dz).all()


@BOTH
def test_the_search_finds_the_nearest_point_of_a_line(package):
    """With b = 1 the best z is the projection on (1, 2, 0): z = (x₁ + 2x₂)/5, and the score what is left
    over."""
    anomaly, params, identity = by_hand(package)
    rng = np.random.default_rng(0)
    x, start = rng.standard_normal((5, 3)), rng.standard_normal((5, 3, 1))
    found = anomaly.invert(params, x, start, balance=1.0, n_steps=300, activation=identity)
    z = (x[:, 0] + 2 * x[:, 1]) / 5
    left = x - z[:, None] * [1.0, 2.0, 0.0]
    assert np.abs(found.z[:, 0] - z).max() < 1e-3
    np.testing.assert_allclose(found.score, np.sqrt(np.mean(left**2, axis=1)), rtol=1e-5)
    np.testing.assert_allclose(found.x, found.z * [1.0, 2.0, 0.0], atol=1e-14)
    unsearched = anomaly.invert(params, x, start, balance=1.0, n_steps=0, activation=identity)
    assert (unsearched.score > 1.01 * found.score).any(), "the control: without a search"


@BOTH
def test_each_object_keeps_its_best_start_and_is_searched_alone(package):
    """One after another, and start by start, the scores are those of all at once; the least of each object's
    is its own."""
    anomaly, params, x, _ = small(package)
    start = painted(np.random.default_rng(1), (6, 4, 2))
    together = anomaly.invert(params, x, start, n_steps=20)
    alone = np.array([[anomaly.invert(params, x[i:i + 1], start[i:i + 1, s:s + 1], n_steps=20).score[0]
                       for s in range(4)] for i in range(6)])
    np.testing.assert_allclose(together.score, alone.min(axis=1), rtol=1e-10)
    assert (np.ptp(alone, axis=1) > 1e-3).any()
    assert_close(together.score, anomaly.anomaly_score(params, x, together.z), terms=100)
    assert_close(together.score, 0.9 * together.distance + 0.1 * together.feature_distance, terms=100)


@BOTH
def test_what_the_generator_cannot_make_scores_higher(package):
    """Samples of the generator against the same points moved off what it can make, by a search that knows
    neither z."""
    anomaly, params, _, _ = small(package)
    rng = np.random.default_rng(2)
    made = package.nets.dense.mlp(params["generator"], rng.standard_normal((20, 2)),
                                  activation=package.nets.dense.LEAKY_RELU)
    moved, start = made + 0.5 * rng.standard_normal(made.shape), rng.standard_normal((20, 4, 2))
    ordinary, strange = (anomaly.invert(params, x, start, n_steps=150).score for x in (made, moved))
    assert np.mean(ordinary[:, None] < strange) > 0.95
    assert np.median(ordinary) < 0.05 * np.median(strange)


@BOTH
def test_scores_standardise(package):
    """Training scores 1, 3: mean 2, standard deviation 1."""
    anomaly = package.generative.anomaly
    assert np.array_equal(anomaly.standardise(np.array([2.0, 5.0, 1.5]), np.array([1.0, 3.0])),
                          [0.0, 3.0, -0.5])


@BOTH
def test_bad_input_is_refused(package):
    anomaly, params, x, z = small(package)
    start, hole = np.zeros((6, 3, 2)), x.copy()
    hole[4, 1] = np.nan
    for wrong, message in (((x[:, :2], start), r"x: expected shape \(M, 4\)"),
                           ((x[:5], start), r"start: expected shape \(5, S, 2\)"),
                           ((x, start[:, :0]), "start: number of starts"),
                           ((hole, start), "x: expected finite numbers, got NaN or inf in 1 of 6")):
        with pytest.raises(ValueError, match=message):
            anomaly.invert(params, *wrong)
    for setting, message in (({"balance": -0.1}, r"balance: expected a number in \[0, 1\]"),
                             ({"n_steps": 1.5}, "n_steps"), ({"learning_rate": 0.0}, "learning_rate")):
        with pytest.raises(ValueError, match=message):
            anomaly.invert(params, x, start, **setting)
    with pytest.raises(ValueError, match="training_score: standard deviation"):
        anomaly.standardise(np.ones(2), np.ones(5))


@BOTH
def test_arguments_are_not_changed(package):
    anomaly, params, x, z = small(package)
    start = np.ones((6, 2, 2))
    before = [a.copy() for a in (x, z, start)]
    anomaly.anomaly_score_and_grad(params, x, z)
    anomaly.invert(params, x, start, n_steps=3)
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, z, start), strict=True))
