"""Noise levels: a geometric sequence, and what is none."""
import numpy as np
import pytest

import accel
import reference


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    def test_levels_are_geometric(self, package):
        sigmas = package.generative.score_matching.noise_levels(10.0, 0.01, 4)
        np.testing.assert_allclose(sigmas, [10.0, 1.0, 0.1, 0.01], rtol=1e-12)

    def test_the_name_of_version_0_1_stays(self, package):
        assert package.generative.score_matching.ladder is package.generative.score_matching.noise_levels

    @pytest.mark.parametrize(("arguments", "words"), [
        ((1.0, 2.0, 5), "sigma_min: expected a number below sigma_max = 1, got 2"),
        ((1.0, 0.0, 5), "sigma_min"),
        ((np.inf, 1.0, 5), "sigma_max"), ((2.0, 1.0, 1), "n_levels"), ((2.0, 1.0, 2.5), "n_levels")])
    def test_bad_input_is_refused(self, package, arguments, words):
        with pytest.raises(ValueError, match=words):
            package.generative.score_matching.noise_levels(*arguments)
