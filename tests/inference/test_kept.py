"""What rejection ABC keeps: the nearest in their order whatever the chunks, ties to the earlier, failures
counted."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def filled(package, rho, chunk_size, **choice):
    """Everything kept of simulations with these distances, whose θ is their number."""
    module, theta = package.inference.kept, np.arange(len(rho), dtype=float)[:, None]
    kept = module.Kept(len(rho), *module.check_choice(choice.get("epsilon"), choice.get("quantile")))
    for start in range(0, len(rho), chunk_size):
        part = slice(start, start + chunk_size)
        chunk = theta[part], theta[part] + 0.0, rho[part]
        if package is reference:
            kept.add(*chunk)
        else:
            finite = np.isfinite(chunk[2])
            beyond = np.where(finite, chunk[2], np.inf)
            near = module.rows(chunk, beyond < kept.bound())
            kept.add(near, len(beyond), int(np.sum(~finite)), float(beyond.min()))
    return kept


@BOTH
@pytest.mark.parametrize("chunk_size", [1, 3, 7, 20])
def test_the_nearest_are_kept_in_their_order(package, chunk_size):
    rho = np.array([0.5, 0.2, 0.9, 0.2, 0.1, 0.2, 0.7, 0.05, 0.2, 0.6])
    assert filled(package, rho, chunk_size, quantile=0.4).finished()[0][:, 0].tolist() == [1, 3, 4, 7]
    assert filled(package, rho, chunk_size, epsilon=0.3).finished()[0][:, 0].tolist() == [1, 3, 4, 5, 7, 8]


@BOTH
def test_failures_are_counted_and_never_kept(package):
    rho = np.array([0.5, np.nan, 0.9, np.inf, 0.1])
    for choice in ({"quantile": 1.0}, {"epsilon": 9.0}):
        kept = filled(package, rho, 2, **choice)
        assert (kept.n_done, kept.n_failed, kept.smallest, len(kept)) == (5, 2, 0.1, 3)
        assert kept.finished()[0][:, 0].tolist() == [0, 2, 4]


@BOTH
def test_at_least_one_row_is_kept(package):
    assert filled(package, np.array([0.3, 0.2, 0.4]), 2, quantile=1e-9).finished()[0].tolist() == [[1.0]]


@BOTH
def test_one_of_two_choices_is_made(package):
    choose = package.inference.kept.check_choice
    assert choose(0.5, None) == (0.5, None) and choose(None, 1) == (None, 1.0)
    for epsilon, quantile in ((None, None), (0.5, 0.5), (-1.0, None), (None, 1.5), (None, 0.0)):
        with pytest.raises(ValueError, match="epsilon|quantile"):
            choose(epsilon, quantile)


def test_memory_is_taken_once():
    """The columns have the length that is expected at the end, so that they are not joined chunk by chunk."""
    rho = np.random.default_rng(0).random(10_000)
    kept = filled(accel, rho, 500, epsilon=0.1)
    assert len(kept.columns[0]) < 1.5 * len(kept)
