"""Inputs of an inference: what is refused, and the data as a network sees them."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 4)) @ np.diag([5.0, 1.0, 0.2, 3.0]) + 10


@BOTH
def test_data_are_standardised(package):
    compression, scaling, c = package.inference.inputs.compress(X, None)
    assert compression is None
    assert_close(c, (X - X.mean(axis=0)) / X.std(axis=0), terms=30)


@BOTH
def test_compressed_data_are_standardised_scores(package):
    compression, scaling, c = package.inference.inputs.compress(X, 2)
    assert c.shape == (30,
                       2) and np.abs(c.mean(axis=0)).max() < 1e-12 and np.abs(c.std(axis=0) - 1).max() < 1e-12
    direction = np.linalg.svd(X - X.mean(axis=0))[2][0]
    assert abs(np.corrcoef(c[:, 0], X @ direction)[0, 1]) == pytest.approx(1)
    prior, seen = package.priors.Normal([0.0], [1.0]), package.inference.inputs.seen
    posterior = package.inference.nre.Posterior(prior, {}, None, compression, scaling, {})
    assert_close(seen(posterior, X), c, terms=30)
    assert_close(package.inference.inputs.data_mean(posterior), X.mean(axis=0), terms=30)


@BOTH
def test_an_observation_is_one_or_several(package):
    check, like = package.inference.inputs.check_observation, np.zeros(4)
    for x, single in ((X[0], True), (X[:3], False), (X[0].tolist(), True)):
        found, was_one = check(x, like)
        assert found.ndim == 2 and was_one is single
    for bad, message in ((X[:, :3], r"x: expected shape \(M, 4\), got"), (X[None], "x: expected shape"),
                         (X * np.nan, "x: expected finite numbers"), (["a"], "x: expected real")):
        with pytest.raises(ValueError, match=message):
            check(bad, like)


@BOTH
def test_simulations_are_finite_inside_the_prior_and_many(package):
    check, prior = package.inference.inputs.check_simulations, package.priors.BoxUniform([0.0], [1.0])
    theta = np.linspace(0.1, 0.9, 30)[:, None]
    assert [a.shape for a in check(prior, theta, X)] == [(30, 1), (30, 4)]
    hole = X.copy()
    hole[4, 1] = np.inf
    for bad, message in (((theta[:19], X[:19]),
                          "theta: number of simulations: expected a whole number of at least 20"),
                         ((theta, X[1:]), r"x: expected shape \(30, D\)"),
                         ((theta, hole), "x: expected finite"),
                         ((theta + 0.5, X), "theta: expected rows inside the prior"),
                         ((X, X), "theta: expected shape")):
        with pytest.raises(ValueError, match=message):
            check(prior, *bad)


@BOTH
def test_parameters_meet_one_observation_or_their_own(package):
    check, prior, theta = package.inference.inputs.check_each, package.priors.Normal([0.0], [1.0]), X[:, :1]
    assert check(prior, theta, X[:1], True).shape == check(prior, theta, X, False).shape == (30, 1)
    with pytest.raises(ValueError,
                       match="x: expected one observation or 30, one for each theta, or else, got 2"):
        check(prior, theta, X[:2], False, hint=", or else")
