import numpy as np

from tests.agreement.registry import case, error_of

GRID = np.linspace(0, 1, 21)


def log_probs(paint, n):
    """log q of samples (n, 40) and of truths (n,), with ties and −inf among them."""
    samples, truths = -paint.chisquare(3, (n, 40)), -paint.chisquare(4, n)
    samples[:, ::3], truths[::3] = np.round(samples[:, ::3]), np.round(truths[::3])
    samples[:, 5], truths[3::7] = -np.inf, -np.inf
    return samples, truths


def credibility(paint, n):
    return paint.beta(0.8, 1.2, n)


@case("validation.coverage.credibility", terms=4)
def _(on, paint, n):
    return on.package.validation.coverage.credibility(on.rng(1), *map(on.put, log_probs(paint, n)))


@case("validation.coverage.curve", terms=1)
def _(on, paint, n):
    return on.package.validation.coverage.curve(on.put(credibility(paint, n)), GRID)


@case("validation.coverage.band", terms=1)
def _(on, paint, n):
    return on.package.validation.coverage.band(n, on.put(GRID))


@case("validation.coverage.p_value")
def _(on, paint, n):
    return on.package.validation.coverage.p_value(on.put(credibility(paint, n)))


@case("validation.coverage.credibility#refused", sizes=(4,))
def _(on, paint, n):
    coverage, (samples, truths) = on.package.validation.coverage, log_probs(paint, n)
    pairs = ((samples, truths[:2]), (samples[0], truths), (samples * np.nan, truths), (samples, -truths),
             (samples[:, :0], truths), (samples[:0], truths[:0]))
    return [error_of(coverage.credibility, on.rng(1), on.put(a), on.put(b)) for a, b in pairs]


@case("validation.coverage.p_value#refused", sizes=(3,))
def _(on, paint, n):
    coverage, good = on.package.validation.coverage, credibility(paint, n)
    return ([error_of(coverage.p_value, on.put(bad))
             for bad in (good + 1, good[:, None], good[:0], good * np.nan)],
            error_of(coverage.curve, on.put(good), GRID[::-1]))
