import warnings

import numpy as np

from tests.agreement.registry import case, error_of, painted


def simulator(rng, theta):
    x = rng.standard_normal((len(theta), 3))
    x[:, :2] += 2 * theta
    return x


@case("runtime.simulation.simulate", terms=5)
def _(on, paint, n):
    return on.package.runtime.simulation.simulate(on.rng(1), simulator, on.put(painted(paint, (n, 2))),
                                                  chunk_size=10)


@case("runtime.simulation.simulate#failures", sizes=(7, 31), terms=5)
def _(on, paint, n):
    simulate, theta = on.package.runtime.simulation.simulate, on.put(painted(paint, (n, 2)))
    asked = on.put(np.where(np.arange(n)[:, None] % 3 == 1, np.nan, 1.0))

    def fails(rng, part):
        return simulator(rng, part) * asked[:len(part)]
    kept = simulate(on.rng(2), fails, theta, chunk_size=10, on_failure="drop")
    return (kept, error_of(simulate, on.rng(2), fails, theta),
            error_of(simulate, on.rng(2), lambda rng, part: part * np.nan, theta))


@case("runtime.simulation.simulate#stopped", sizes=(31,), terms=5)
def _(on, paint, n):
    module, theta, results = on.package.runtime.simulation, on.put(painted(paint, (n, 2))), []
    for stop in (RuntimeError("overheated"), KeyboardInterrupt()):
        done = []

        def stops(rng, part, stop=stop, done=done):
            done.append(len(part))
            if len(done) == 3:
                raise stop
            return simulator(rng, part)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                results.append(module.simulate(on.rng(3), stops, theta, chunk_size=10))
            except module.SimulationError as error:
                results += [error.theta, error.x, str(error), type(error.__cause__).__name__]
        results.append([str(warning.message) for warning in heard])
    return results


@case("runtime.simulation.simulate#bad", sizes=(5,))
def _(on, paint, n):
    simulate, theta = on.package.runtime.simulation.simulate, on.put(painted(paint, (n, 2)))
    thetas = (np.zeros((0, 2)), np.zeros(3), np.full((2, 2), np.nan))
    wrong = (lambda part: part[1:], lambda part: part[:, 0], lambda part: None, lambda part: part > 0)
    bad_theta = [error_of(simulate, on.rng(0), simulator, on.put(value)) for value in thetas]
    bad_x = [error_of(simulate, on.rng(0), lambda rng, part, f=f: f(part), theta) for f in wrong]
    return bad_theta, bad_x, error_of(simulate, on.rng(0), simulator, theta, chunk_size=0), \
        error_of(simulate, on.rng(0), simulator, theta, on_failure="ignore")
