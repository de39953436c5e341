"""Nothing that was simulated is lost, and no failure is hidden: in both packages alike."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])
THETA = np.arange(24.0).reshape(12, 2)


def doubled(rng, theta):
    return np.column_stack((2 * theta, rng.random(len(theta))))


class Stops:
    """A simulator that raises when it is called for the third time."""

    def __init__(self, error):
        self.error, self.calls = error, 0

    def __call__(self, rng, theta):
        self.calls += 1
        if self.calls == 3:
            raise self.error
        return 2 * theta


@BOTH
@pytest.mark.parametrize("chunk_size", [1, 5, 12, 10_000])
def test_rows_come_back_in_order(package, chunk_size):
    theta, x, n_failed = package.runtime.simulation.simulate(np.random.default_rng(0), doubled, THETA,
                                                             chunk_size=chunk_size)
    np.testing.assert_array_equal(theta, THETA)
    np.testing.assert_array_equal(x, np.column_stack((2 * THETA, np.random.default_rng(0).random(12))))
    assert n_failed == 0 and isinstance(n_failed, int)


@BOTH
def test_failed_rows_are_refused_with_their_number_and_the_way_out(package):
    def fails(rng, theta):
        return np.where(theta[:, :1] % 8 == 4, np.inf, theta)
    with pytest.raises(package.runtime.simulation.SimulationError,
                       match='3 of 12 simulations are NaN or inf; on_failure="drop"') as caught:
        package.runtime.simulation.simulate(None, fails, THETA, chunk_size=5)
    assert caught.value.x.shape == (12, 2) and np.isinf(caught.value.x).sum() == 6
    assert caught.value.theta.shape == (12, 2)
    theta, x, n_failed = package.runtime.simulation.simulate(None, fails, THETA, chunk_size=5,
                                                             on_failure="drop")
    assert n_failed == 3 and len(theta) == len(x) == 9
    np.testing.assert_array_equal(theta, x)


@BOTH
def test_dropping_everything_is_refused(package):
    with pytest.raises(ValueError, match="12 of 12 simulations are NaN or inf; none is left"):
        package.runtime.simulation.simulate(None, lambda rng, theta: theta * np.nan, THETA, on_failure="drop")


@BOTH
def test_simulator_that_raises_hands_back_what_was_finished(package):
    error = OverflowError("the star exploded")
    message = "rows 10 to 11 of theta with OverflowError: the star exploded"
    with pytest.raises(package.runtime.simulation.SimulationError, match=message) as caught:
        package.runtime.simulation.simulate(None, Stops(error), THETA, chunk_size=5)
    assert caught.value.__cause__ is error
    np.testing.assert_array_equal(caught.value.theta, THETA[:10])
    np.testing.assert_array_equal(caught.value.x, 2 * THETA[:10])


@BOTH
def test_interruption_returns_what_was_finished(package):
    with pytest.warns(UserWarning, match="the 10 of 12 that were finished are returned"):
        theta, x, n_failed = package.runtime.simulation.simulate(None, Stops(KeyboardInterrupt()), THETA,
                                                                 chunk_size=5)
    np.testing.assert_array_equal(theta, THETA[:10])
    np.testing.assert_array_equal(x, 2 * THETA[:10])


@BOTH
def test_interruption_of_the_first_chunk_goes_on_to_the_caller(package):
    stops = Stops(KeyboardInterrupt())
    stops.calls = 2
    with pytest.raises(KeyboardInterrupt):
        package.runtime.simulation.simulate(None, stops, THETA)


@BOTH
@pytest.mark.parametrize(("simulator", "message"), [
    (lambda rng, theta: theta[1:], r"expected shape \(5, D\), got \(4, 2\)"),
    (lambda rng, theta: theta[:, 0], r"expected shape \(5, D\), got \(5,\)"),
    (lambda rng, theta: theta[:, :int(theta[0, 0] == 0) + 1], r"expected shape \(5, 2\), got \(5, 1\)"),
    (lambda rng, theta: None, "expected real numbers"),
    (lambda rng, theta: theta > 3, "expected real numbers"),
])
def test_wrong_return_is_named_and_what_was_finished_is_kept(package, simulator, message):
    with pytest.raises(package.runtime.simulation.SimulationError, match=message) as caught:
        package.runtime.simulation.simulate(None, simulator, THETA, chunk_size=5)
    assert caught.value.x is None or len(caught.value.x) == len(caught.value.theta) == 5


@BOTH
@pytest.mark.parametrize(
    ("theta", "settings", "message"),
    [(np.zeros((0, 2)), {}, "theta: number of rows"), (np.zeros(3), {}, r"theta: expected shape \(N, P\)"),
     ([[1.0, np.nan]], {}, "theta: expected finite"), ([["a"]], {}, "theta: expected real"),
     (THETA, {"chunk_size": 0}, "chunk_size: expected"),
     (THETA, {"on_failure": "ignore"}, "on_failure: expected 'refuse' or 'drop'")])
def test_bad_input_is_named(package, theta, settings, message):
    with pytest.raises(ValueError, match=message):
        package.runtime.simulation.simulate(np.random.default_rng(0), doubled, theta, **settings)


@BOTH
def test_progress_is_shown_on_request(package, capsys):
    package.runtime.simulation.simulate(np.random.default_rng(0), doubled, THETA, progress=True)
    assert "12.0/12.0" in capsys.readouterr().err
    package.runtime.simulation.simulate(np.random.default_rng(0), doubled, THETA)
    assert capsys.readouterr().err == ""
