"""The transform against distribution functions, and the names that it gives to known defects."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import pit
from tests.support.gaussian_posterior import DEFECTS, false_alarm_band, observe


def test_a_truth_among_known_samples_falls_into_its_gap():
    samples = np.array([[[1.0], [2.0], [3.0]]] * 3)
    v = pit.values(np.random.default_rng(0), samples, np.array([[0.5], [2.5], [9.0]]))[:, 0]
    for value, gap in zip(v, (0, 2, 3)):
        assert gap / 4 <= value <= (gap + 1) / 4


def test_values_tend_to_the_posterior_distribution_function(seed):
    seen = observe(np.random.default_rng((seed, 1)), 40, 20_000, 2, width=0.7, bias=0.4)
    v = pit.values(np.random.default_rng((seed, 2)), seen.samples, seen.truths)
    exact = stats.norm.cdf(seen.truths, seen.mean, seen.std)
    assert np.abs(v - exact).max() < 5 * 0.5 / np.sqrt(20_000)


@pytest.mark.parametrize("n_samples", (1, 3, 50))
def test_values_are_uniform_for_an_exact_posterior_however_few_the_samples(n_samples, seed):
    seen = observe(np.random.default_rng((seed, 3)), 20_000, n_samples, 1)
    v = pit.values(np.random.default_rng((seed, 4)), seen.samples, seen.truths)[:, 0]
    assert stats.kstest(v, "uniform").pvalue > 0.001
    fixed = np.mean(seen.samples < seen.truths[:, None, :], axis=1)[:, 0]   # the control: r/L, not randomised
    assert stats.kstest(fixed, "uniform").pvalue < 1e-6


def test_values_are_uniform_where_a_discrete_parameter_ties(seed):
    rng = np.random.default_rng((seed, 5))
    draws = rng.binomial(3, 0.4, (20_000, 21, 1)).astype(float)
    v = pit.values(rng, draws[:, 1:], draws[:, 0])[:, 0]
    assert stats.kstest(v, "uniform").pvalue > 0.001
    assert stats.kstest(np.mean(draws[:, 1:, 0] < draws[:, :1, 0], axis=1), "uniform").pvalue < 1e-6


@pytest.mark.parametrize(("defect", "name"), (("exact", "calibrated"), ("20 % too narrow", "under-dispersed"),
                                              ("25 % too wide", "over-dispersed"),
                                              ("half a sigma of bias", "biased")))
def test_signature_names_the_defect(defect, name, seed):
    rng = np.random.default_rng((seed, 12))
    seen = observe(rng, 500, 99, 100, **DEFECTS[defect])
    found = pit.signatures(pit.values(rng, seen.samples, seen.truths), level=0.95)
    n_right = sum(signature.name == name for signature in found)
    assert n_right >= (100 - false_alarm_band(100, 0.05)[1] if name == "calibrated" else 80)
    if name == "biased":
        assert all(signature.bias < 0 for signature in found)             # the truths lie below the posterior


def test_signature_of_a_posterior_that_misses_altogether_is_biased():
    assert pit.signatures(np.ones((50, 1)))[0].name == "biased"


def test_the_tests_of_uniformity_are_found_here_too():
    from reference.validation import uniformity
    for name in ("Band", "curve", "band", "ks_p_values", "neyman_p_values"):
        assert getattr(pit, name) is getattr(uniformity, name)


SAMPLES, TRUTHS = np.zeros((30, 5, 2)), np.zeros((30, 2))


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES, TRUTHS[:, :1]),
     r"truths: expected shape \(30, 2\), got \(30, 1\)"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES[0], TRUTHS),
     r"samples: expected shape \(M, L, D\), got \(5, 2\)"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES * np.nan, TRUTHS),
     "samples: expected finite numbers"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES, TRUTHS + np.inf),
     "truths: expected finite numbers"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES[:, :0], TRUTHS),
     "samples of each observation: expected a whole number"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES[:0], TRUTHS[:0]),
     "observations: expected a whole number"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES.astype(str), TRUTHS),
     "samples: expected real numbers"),
    (lambda pit: pit.signatures(TRUTHS[:19]),
     "values: number of rows: expected a whole number of at least 20, got 19"),
    (lambda pit: pit.signatures(TRUTHS, level=-1), "level: expected a positive finite number"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.pit)
