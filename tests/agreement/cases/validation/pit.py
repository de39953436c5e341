import numpy as np

from tests.agreement.registry import case, error_of

GRID = np.linspace(0, 1, 21)


def observations(paint, n):
    """Samples (n, 40, 3) and truths (n, 3), lumpy in the last parameter so that ties occur, and exactly so in
    float32."""
    samples, truths = paint.normal(0.3, 1.2, (n, 40, 3)), paint.normal(0.1, 1.5, (n, 3))
    samples[..., 2], truths[..., 2] = np.round(samples[..., 2]), np.round(truths[..., 2])
    return samples, truths


def values(paint, n):
    return paint.beta((0.7, 1.0, 1.6), (1.1, 1.0, 1.5), (n, 3))


@case("validation.pit.values", terms=4)
def _(on, paint, n):
    return on.package.validation.pit.values(on.rng(1), *map(on.put, observations(paint, n)))


@case("validation.pit.signatures", sizes=(20, 31, 153), terms=lambda n: 10 * n)
def _(on, paint, n):
    return on.package.validation.pit.signatures(on.put(values(paint, n)), level=0.9)


@case("validation.pit.values#refused", sizes=(3,))
def _(on, paint, n):
    pit, (samples, truths) = on.package.validation.pit, observations(paint, n)
    holed = samples.copy()
    holed[1, 2, 0] = np.nan
    pairs = ((samples, truths[:, :2]), (samples[0], truths), (holed, truths), (samples, holed[:, 2]),
             (samples[:, :0], truths), (samples[:0], truths[:0]))
    return [error_of(pit.values, on.rng(1), on.put(a), on.put(b)) for a, b in pairs]


@case("validation.pit.signatures#refused", sizes=(3,))
def _(on, paint, n):
    pit, good = on.package.validation.pit, values(paint, n)
    return (error_of(pit.signatures, on.put(good)),
            [error_of(pit.signatures, on.put(good), level=bad) for bad in (0, 1)])
