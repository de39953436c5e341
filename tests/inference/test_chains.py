"""The loop over states: what is kept, what an early end leaves behind, and that its error reaches another
process."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])


def counting(package, stop=None, at=5):
    """States whose u is the number of the iteration, in three chains; at one of them `stop` is raised."""
    u = np.zeros((3, 2))                                      # changed in place, as a generator of states may
    for i in range(1, 100):
        if i == at and stop is not None:
            raise stop
        u += 1 if package is accel else 0
        yield package.inference.chains.State(u if package is accel else u + i, np.full(3, -float(i)),
                                             np.full(3, i / 100), np.arange(3) < i - 3)


@BOTH
def test_what_follows_the_warm_up_is_kept_in_order(package):
    chains = package.inference.chains.collect("counter", counting(package), n_samples=4, n_warmup=2)
    assert chains.u.shape == (3, 4, 2) and chains.u[1, :, 0].tolist() == [3, 4, 5, 6]
    assert chains.log_prob[2].tolist() == [-3, -4, -5, -6]
    assert chains.acceptance == pytest.approx(0.045) and chains.n_divergent == 0 + 1 + 2 + 3


@BOTH
def test_a_sampler_without_acceptance_has_none(package):
    def states():
        while True:
            yield package.inference.chains.State(np.zeros((2, 1)), np.zeros(2))
    chains = package.inference.chains.collect("plain", states(), n_samples=3, n_warmup=0)
    assert np.isnan(chains.acceptance) and chains.n_divergent == 0


@BOTH
def test_an_interruption_returns_what_was_kept(package):
    with pytest.warns(UserWarning, match="counter was interrupted; 2 of 9 iterations are returned"):
        chains = package.inference.chains.collect("counter", counting(package, KeyboardInterrupt()),
                                                  n_samples=9, n_warmup=2)
    assert chains.u[0, :, 0].tolist() == [3, 4]
    with pytest.raises(KeyboardInterrupt):
        package.inference.chains.collect("counter", counting(package, KeyboardInterrupt()), n_samples=9,
                                         n_warmup=4)


def broken(package, n_warmup=2):
    with pytest.raises(package.inference.chains.NonFiniteTargetError) as caught:
        package.inference.chains.collect("counter",
                                         counting(package, package.inference.chains.NotFinite("log_prob", 2)),
                                         n_samples=9, n_warmup=n_warmup)
    return caught.value


@BOTH
def test_an_error_carries_what_was_kept(package):
    error = broken(package)
    assert str(error) == ("counter: the target's log_prob is NaN or +inf in 2 of the chains at iteration 5 "
                          "(.chains holds the 2 iterations kept before)")
    assert (error.sampler, error.iteration, error.n_chains, error.theta) == ("counter", 5, 2, None)
    assert error.chains.u[0, :, 0].tolist() == [3, 4]
    assert broken(package, n_warmup=4).chains is None


@BOTH
@pytest.mark.parametrize("through", [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy],
                         ids=["pickle", "deepcopy"])
def test_the_error_survives_the_way_to_another_process(package, through):
    error = broken(package)
    error.theta = np.array([[1.0, 2.0]])
    again = through(error)
    assert type(again) is type(error) and str(again) == str(error) and again.n_chains == 2
    np.testing.assert_array_equal(again.chains.u, error.chains.u)
    np.testing.assert_array_equal(again.theta, error.theta)
