import numpy as np

from tests.agreement.registry import case, error_of

N_SAMPLES = 40


def observations(paint, n):
    """Samples (n, 40, 3) and truths (n, 3), lumpy in the last parameter so that ties occur, and exactly so in
    float32."""
    samples, truths = paint.normal(0.3, 1.2, (n, N_SAMPLES, 3)), paint.normal(0.1, 1.5, (n, 3))
    samples[..., 2], truths[..., 2] = np.round(samples[..., 2]), np.round(truths[..., 2])
    return samples, truths


def ranks(paint, n):
    return np.floor(paint.beta((0.7, 1.0, 1.6), (1.1, 1.0, 1.5), (n, 3)) * (N_SAMPLES + 1)).astype(np.int64)


@case("validation.sbc.ranks")
def _(on, paint, n):
    return on.package.validation.sbc.ranks(on.rng(1), *map(on.put, observations(paint, n)))


@case("validation.sbc.histogram")
def _(on, paint, n):
    rank_histogram, drawn = on.package.validation.sbc, on.put(ranks(paint, n))
    return [rank_histogram.histogram(drawn, N_SAMPLES, n_bins=n_bins, level=level)
            for n_bins, level in ((2, 0.9), (7, 0.99), (41, 0.95))]


@case("validation.sbc.p_values", sizes=(31, 153))
def _(on, paint, n):
    rank_histogram, drawn = on.package.validation.sbc, on.put(ranks(paint, n))
    return [rank_histogram.p_values(drawn, N_SAMPLES, n_bins=n_bins) for n_bins in (2, 5)]


@case("validation.sbc.histogram#refused", sizes=(3,))
def _(on, paint, n):
    rank_histogram, good = on.package.validation.sbc, ranks(paint, n)
    return ([error_of(rank_histogram.histogram, on.put(bad), N_SAMPLES)
             for bad in (good - 41, good + 41, good[:, 0], good[:0], good > 3)],
            [error_of(rank_histogram.histogram, on.put(good), N_SAMPLES, n_bins=bad) for bad in (1, 42, 2.0)],
            error_of(rank_histogram.histogram, on.put(good), N_SAMPLES, level=1),
            error_of(rank_histogram.histogram, on.put(good), 0),
            error_of(rank_histogram.p_values, on.put(good), N_SAMPLES, n_bins=2))
