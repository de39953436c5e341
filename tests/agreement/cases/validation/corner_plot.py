import numpy as np

from tests.agreement.cases.validation.corner import panels
from tests.agreement.cases.validation.marginals import MASSES, RANGES, samples
from tests.agreement.registry import case


@case("validation.corner_plot.draw", sizes=(153,), terms=500)
def _(on, paint, n):
    """Histograms on the host, as `corner.plot` hands them over."""
    validation = on.package.validation
    found = [validation.marginals.histograms(samples(paint, size).astype(on.dtype), ranges=RANGES, n_bins=9,
                                             masses=MASSES)
             for size in (n, n + 20)]
    truths = np.array([0.1, 0.2, 1.0])
    return [panels(validation.corner_plot.draw(found, ["NPE", ""], truths, ["a", "b [K]", "c"], MASSES,
                                               None)),
            panels(validation.corner_plot.draw(found[:1], [""], None, ["a", "b", "c"], MASSES, None))]
