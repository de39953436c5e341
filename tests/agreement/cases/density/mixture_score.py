"""Cases for the score of a Gaussian mixture: every kind of covariance, with and without noise."""
import numpy as np

from tests.agreement.cases.density.gaussian_mixture import KINDS, known
from tests.agreement.registry import case, error_of, painted

for kind in KINDS:
    @case(f"density.mixture_score.score#{kind}", sizes=(1, 7, 153, 7000), terms=60)
    def _(on, paint, n, kind=kind):
        score = on.package.density.mixture_score.score
        mixture, x = known(on, kind), on.put(painted(paint, (n, 3)))
        return score(mixture, x), score(mixture, 30 * x, 0.7), error_of(score, mixture, x[:, :2])

    @case(f"density.mixture_score.smoothed#{kind}", sizes=(1,))
    def _(on, paint, n, kind=kind):
        smoothed, mixture = on.package.density.mixture_score.smoothed, known(on, kind)
        return (smoothed(mixture, 0)[:3], smoothed(mixture, 1.3)[:3],
                [error_of(smoothed, mixture, bad) for bad in (-0.1, np.nan, "1")])
