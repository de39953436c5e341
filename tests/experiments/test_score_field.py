"""What the score field is measured with: a model that is exact has no error, one that is a tenth too strong
has ten per cent."""
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import score_field
from experiments.harness import framework


@pytest.fixture
def settings(tmp_path):
    return framework.settings(backend="reference", quick=True, out=tmp_path)


@pytest.mark.parametrize(("strength", "expected"), [(1.0, 0.0), (1.1, 0.1), (0.0, 1.0)])
def test_relative_error_of_models_that_are_known(settings, strength, expected):
    moons = score_field.two_moons(settings)
    exact = settings.package.density.mixture_score.score
    model = SimpleNamespace(sigmas=np.array([1.0, 0.1]),
                            score=lambda x, sigma: strength * exact(moons, x, sigma))
    np.testing.assert_allclose(score_field.relative_errors(settings, model, moons, 2), expected, atol=1e-12)


def test_normal_has_the_standard_deviations_that_were_asked_for(settings):
    mixture = score_field.correlated_normal(settings)
    variances = np.linalg.eigvalsh(mixture.covariances[0])
    np.testing.assert_allclose(np.sqrt(variances[::-1]), score_field.STANDARD_DEVIATIONS, rtol=1e-9)
    assert np.abs(np.corrcoef(mixture.sample(np.random.default_rng(0), 2000).T) - np.eye(5)).max() > 0.3, (
        "and it is correlated")


def test_quick_run(tmp_path):
    record = framework.execute("score_field", framework.settings(where="cpu", quick=True, out=tmp_path))
    error = {name: metric["value"] for name, metric in record["metrics"].items()}
    assert (error["Gaussian data: largest relative error of the score"] < 0.2
            < error["two moons: largest relative error of the score"])
    assert (tmp_path / "score_field.png").stat().st_size > 10_000
