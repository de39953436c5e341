"""What the experiment across a gap counts with: the share on the left, told from points and in closed
form."""
import numpy as np
import pytest

from experiments import langevin_mixture
from experiments.harness import framework


def test_share_on_the_left():
    assert langevin_mixture.on_the_left(np.array([[-1.0, 5.0], [2.0, -3.0], [-0.1, 0.0], [4.0, -1.0]])) == 0.5


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_share_of_the_density_is_that_of_its_samples(sigma):
    rng, n, mix = np.random.default_rng(0), 200_000, langevin_mixture
    which = rng.random(n) < mix.WEIGHTS[0]
    x = np.where(which[:, None],
                 *(rng.multivariate_normal(m, c, n) for m, c in zip(mix.MEANS, mix.COVARIANCES)))
    found = mix.on_the_left(x + sigma * rng.standard_normal((n, 2)))
    expected = mix.share_of_the_density(sigma)
    error = np.sqrt(expected * (1 - expected) / n)
    assert abs(found - expected) < 4 * error < 0.01


def test_quick_run_tells_annealed_from_plain(tmp_path):
    record = framework.execute("langevin_mixture", framework.settings(where="cpu", quick=True, out=tmp_path))
    error = {name: metric["value"] for name, metric in record["metrics"].items()}
    assert (error["annealed, exact score: error of the weight"] < 0.15
            < error["plain, wide start: error of the weight"])
    assert (tmp_path / "langevin_mixture.png").stat().st_size > 10_000
