"""Cases for noise levels."""
import numpy as np

from tests.agreement.registry import case, error_of


@case("generative.score_matching.noise_levels", sizes=(1,))
def _(on, paint, n):
    noise_levels = on.package.generative.score_matching.noise_levels
    bad = [(1.0, 2.0, 5), (1.0, 1.0, 5), (1.0, 0.0, 5), (np.inf, 1.0, 5), (2.0, 1.0, 1), (2.0, 1.0, 2.5)]
    return (on.put(noise_levels(8.0, 0.1, 12)), on.put(noise_levels(3, 1, 2)),
            [error_of(noise_levels, *arguments) for arguments in bad])
