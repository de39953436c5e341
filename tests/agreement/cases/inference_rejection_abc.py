import warnings

import numpy as np

from tests.agreement.registry import case, error_of, painted

ASK = {"epsilon": dict(epsilon=9.0, chunk_size=40), "quantile": dict(quantile=0.1, chunk_size=40), "one": dict(quantile=1e-9, chunk_size=7)}


@case("inference.rejection_abc.euclidean", terms=10)
def _(on, paint, n):
    return on.package.inference.rejection_abc.euclidean(on.put(painted(paint, (n, 3))), on.put(painted(paint, (3,))))


for name, ask in ASK.items():
    @case(f"inference.rejection_abc.sample#{name}", sizes=(153, 1000), terms=10, dtypes=("float64",),
          note="rows are kept or not by a comparison")
    def _(on, paint, n, ask=ask):
        power_law = on.package.simulators.power_law
        return on.package.inference.rejection_abc.sample(on.rng(n), power_law.prior, power_law.simulate, on.put(np.array([31.6])),
                                                         n_simulations=n, **ask)


@case("inference.rejection_abc.sample#ties", sizes=(50,))
def _(on, paint, n):
    """Distances that are whole numbers, nearly all of them tied, are exact in either dtype."""
    levels = on.put(np.arange(n) % 3 + 1.0)[:, None]

    class Prior:
        def sample(self, rng, m):
            return levels[:m] + 0 * rng.random((m, 1))
    return [on.package.inference.rejection_abc.sample(on.rng(1), Prior(), lambda rng, theta: theta + 4, on.put(np.array([4.0])),
                                                      n_simulations=n, quantile=q, chunk_size=c) for q in (0.1, 0.5, 1.0) for c in (8, 50)]


@case("inference.rejection_abc.sample#distance", sizes=(100,), terms=10, dtypes=("float64",), note="rows are kept or not by a comparison")
def _(on, paint, n):
    moons = on.package.simulators.two_moons

    def widest(x, observation):
        return abs(x - observation).max(axis=1)
    return on.package.inference.rejection_abc.sample(on.rng(3), moons.prior, moons.simulate, on.put(np.array([-0.6, 0.1])),
                                                     n_simulations=n, epsilon=0.5, distance=widest)


@case("inference.rejection_abc.sample#stopped", sizes=(40,), terms=10, dtypes=("float64",), note="rows are kept or not by a comparison")
def _(on, paint, n):
    module, power_law, results = on.package.inference.rejection_abc, on.package.simulators.power_law, []
    half = dict(quantile=0.5)
    for stop, ask in ((KeyboardInterrupt(), dict(epsilon=60.0)), (KeyboardInterrupt(), half), (OSError("full"), half)):
        calls = []

        def stops(rng, theta, stop=stop, calls=calls):
            calls.append(1)
            if len(calls) == 4:
                raise stop
            return power_law.simulate(rng, theta)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                x = on.put(np.array([31.6]))
                results.append(module.sample(on.rng(4), power_law.prior, stops, x, n_simulations=n, chunk_size=10, **ask))
            except on.package.core.simulation.SimulationError as error:
                results += [error.theta, error.x, str(error)]
        results.append([str(warning.message) for warning in heard])
    return results


@case("inference.rejection_abc.sample#bad", sizes=(20,))
def _(on, paint, n):
    power_law, x = on.package.simulators.power_law, on.put(np.array([31.6]))

    def sample(observation=x, simulate=power_law.simulate, **ask):
        ask = {"n_simulations": n, "epsilon": 5.0, **ask}
        return on.package.inference.rejection_abc.sample(on.rng(5), power_law.prior, simulate, observation, **ask)
    settings = (dict(epsilon=None), dict(quantile=0.1), dict(epsilon=-1.0), dict(epsilon=None, quantile=1.5),
                dict(epsilon=None, quantile=0.0), dict(n_simulations=0), dict(chunk_size=0),
                dict(distance=lambda x, observation: x), dict(distance=lambda x, observation: None),
                dict(simulate=lambda rng, theta: theta[1:]), dict(observation=x * np.nan), dict(observation=x[None]),
                dict(simulate=lambda rng, theta: theta * np.nan), dict(simulate=lambda rng, theta: 0 * theta))
    return [error_of(sample, **ask) for ask in settings]
