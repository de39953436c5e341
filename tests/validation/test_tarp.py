"""Credibility from samples against the literal distances, the transform in one dimension, and references that
know too much."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import tarp
from tests.support.gaussian_posterior import observe


def test_credibility_counts_the_samples_that_are_closer():
    """By distances, one observation after the other; without ties it lies within a place of (closer + ½)/(L +
    1)."""
    rng = np.random.default_rng(0)
    samples, truths = rng.normal(size=(30, 9, 3)), rng.normal(size=(30, 3))
    references = rng.normal(size=(30, 3))
    found = tarp.credibility(rng, samples, truths, references)
    for m in range(30):
        closer = sum(np.linalg.norm(theta - references[m]) < np.linalg.norm(truths[m] - references[m])
                     for theta in samples[m])
        assert closer / 10 <= found[m] <= (closer + 1) / 10


def test_tarp_with_a_far_reference_is_the_probability_integral_transform():
    """In one dimension, everything below the truth is closer to a reference that lies below all samples."""
    seen = observe(np.random.default_rng(10), 100, 50, 1)
    found = tarp.credibility(np.random.default_rng(11), seen.samples, seen.truths, np.full((100, 1), -100.0))
    transform = reference.validation.pit.values(np.random.default_rng(11), seen.samples, seen.truths)
    assert np.array_equal(found, transform[:, 0])


def test_tarp_is_uniform_for_an_exact_posterior_whatever_the_references(seed):
    rng = np.random.default_rng((seed, 12))
    seen = observe(rng, 20_000, 10, 3)
    for references in (rng.standard_normal((20_000, 3)), np.zeros((20_000, 3)), np.full((20_000, 3), 5.0)):
        found = tarp.credibility(rng, seen.samples, seen.truths, references)
        assert stats.kstest(found, "uniform").pvalue > 0.001
    informed = seen.truths + 0.1                                 # the control: references that know the truth
    assert stats.kstest(tarp.credibility(rng, seen.samples, seen.truths, informed), "uniform").pvalue < 1e-6


def test_a_wrong_width_shows(seed):
    for width, uniform in ((1.0, True), (0.7, False), (1.4, False)):
        rng = np.random.default_rng((seed, 13))
        seen = observe(rng, 2000, 99, 2, width=width)
        found = tarp.credibility(rng, seen.samples, seen.truths, rng.standard_normal((2000, 2)))
        assert (reference.validation.coverage.p_value(found) > 0.001) == uniform


SAMPLES, TRUTHS = np.zeros((6, 4)), np.zeros(6)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda t: t.credibility(RNG, SAMPLES[:, :, None], TRUTHS[:, None], TRUTHS),
     r"references: expected shape \(6, 1\), got \(6,\)"),
    (lambda t: t.credibility(RNG, SAMPLES[:, :, None], TRUTHS[:, None], TRUTHS[:, None] * np.nan),
     "references: expected finite numbers"),
    (lambda t: t.credibility(RNG, SAMPLES[:, :, None], TRUTHS[:, None, None], TRUTHS[:, None]),
     r"truths: expected shape \(6, 1\)"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.tarp)
