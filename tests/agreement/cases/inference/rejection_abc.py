import warnings

import numpy as np

from accel.device import array_module, kernel_code
from tests.agreement.registry import case, error_of, painted

ASK = {"epsilon": dict(epsilon=9.0, chunk_size=40), "quantile": dict(quantile=0.1, chunk_size=40),
       "one": dict(quantile=1e-9, chunk_size=7)}


@case("inference.rejection_abc.euclidean", terms=10)
def _(on, paint, n):
    return on.package.inference.rejection_abc.euclidean(on.put(painted(paint, (n, 3))),
                                                        on.put(painted(paint, (3,))))


for name, ask in ASK.items():
    @case(f"inference.rejection_abc.sample#{name}", sizes=(153, 1000), terms=10, dtypes=("float64",),
          note="rows are kept or not by a comparison")
    def _(on, paint, n, ask=ask):
        power_law = on.package.simulators.power_law
        return on.package.inference.rejection_abc.sample(on.rng(n), power_law.prior, power_law.simulate,
                                                         on.put(np.array([31.6])), n_simulations=n, **ask)


@case("inference.rejection_abc.sample#ties", sizes=(50,))
def _(on, paint, n):
    """Distances that are whole numbers, nearly all of them tied, are exact in either dtype."""
    levels = on.put(np.arange(n) % 3 + 1.0)[:, None]

    class Prior:
        def sample(self, rng, m):
            return levels[:m] + 0 * rng.random((m, 1))
    return [on.package.inference.rejection_abc.sample(on.rng(1), Prior(), lambda rng, theta: theta + 4,
                                                      on.put(np.array([4.0])), n_simulations=n, quantile=q,
                                                      chunk_size=c) for q in (0.1, 0.5, 1.0) for c in (8, 50)]


@case("inference.rejection_abc.sample#distance", sizes=(100,), terms=10, dtypes=("float64",),
      note="rows are kept or not by a comparison")
def _(on, paint, n):
    moons = on.package.simulators.two_moons

    def widest(x, observation):
        return abs(x - observation).max(axis=1)
    return on.package.inference.rejection_abc.sample(on.rng(3), moons.prior, moons.simulate,
                                                     on.put(np.array([-0.6, 0.1])), n_simulations=n,
                                                     epsilon=0.5, distance=widest)


@case("inference.rejection_abc.sample#stopped", sizes=(40,), terms=10, dtypes=("float64",),
      note="rows are kept or not by a comparison")
def _(on, paint, n):
    module, power_law, results = on.package.inference.rejection_abc, on.package.simulators.power_law, []
    half = dict(quantile=0.5)
    for stop, ask in ((KeyboardInterrupt(), dict(epsilon=60.0)), (KeyboardInterrupt(), half),
                      (OSError("full"), half)):
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
                results.append(module.sample(on.rng(4), power_law.prior, stops, x, n_simulations=n,
                                             chunk_size=10, **ask))
            except on.package.runtime.simulation.SimulationError as error:
                results += [error.theta, error.x, str(error)]
        results.append([str(warning.message) for warning in heard])
    return results


@case("inference.rejection_abc.sample#bad", sizes=(20,))
def _(on, paint, n):
    power_law, x = on.package.simulators.power_law, on.put(np.array([31.6]))

    def sample(observation=x, simulate=power_law.simulate, **ask):
        ask = {"n_simulations": n, "epsilon": 5.0, **ask}
        return on.package.inference.rejection_abc.sample(on.rng(5), power_law.prior, simulate, observation,
                                                         **ask)
    settings = (dict(epsilon=None), dict(quantile=0.1), dict(epsilon=-1.0), dict(epsilon=None, quantile=1.5),
                dict(epsilon=None, quantile=0.0), dict(n_simulations=0), dict(chunk_size=0),
                dict(distance=lambda x, observation: x), dict(distance=lambda x, observation: None),
                dict(simulate=lambda rng, theta: theta[1:]), dict(observation=x * np.nan),
                dict(observation=x[None]), dict(simulate=lambda rng, theta: theta * np.nan),
                dict(simulate=lambda rng, theta: 0 * theta))
    return [error_of(sample, **ask) for ask in settings]


# With a generator that counts: on a device kernels do it all


def counting(on, seed=0):
    return on.package.runtime.philox.PhiloxGenerator(2**33 + seed, like=on.put(np.zeros(1)))


def outcome(function, *args, **kwargs):
    """What the call returns, or what the error says and holds."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        return str(error), getattr(error, "theta", None), getattr(error, "x", None)


NEAR = {"power_law": ([31.6], dict(epsilon=9.0)), "two_moons": ([-0.6, 0.1], dict(quantile=0.03)),
        "gaussian_linear": (np.linspace(-0.5, 0.5, 10), dict(quantile=0.1))}

for name, (observation, ask) in NEAR.items():
    @case(f"inference.rejection_abc.sample#counted {name}", sizes=(1, 153, 20_000), terms=30,
          dtypes=("float64",), kernels=True, note="rows are kept or not by a comparison")
    def _(on, paint, n, name=name, observation=observation, ask=ask):
        """Chunks that are no multiple of a word, the last of them cut; one row, several blocks of threads."""
        simulator, rng = getattr(on.package.simulators, name), counting(on, n)
        return ([outcome(on.package.inference.rejection_abc.sample, rng, simulator.prior, simulator.simulate,
                         on.put(np.array(observation)), n_simulations=n, chunk_size=c,
                         **ask) for c in (100_000, 1003)], rng.block)

    @case(f"inference.rejection_abc.sample#all of {name}", sizes=(31, 1000), terms=30, kernels=True)
    def _(on, paint, n, name=name, observation=observation):
        simulator, rng = getattr(on.package.simulators, name), counting(on, n)
        return on.package.inference.rejection_abc.sample(rng, simulator.prior, simulator.simulate,
                                                         on.put(np.array(observation)), n_simulations=n,
                                                         epsilon=1e6, chunk_size=45)


@kernel_code("""
__device__ real mark(real P) { return P / 2; }
__device__ void simulate(const real* theta, const real* noise, real* x) {
  for (int j = 0; j < 3; j++) x[j] = theta[0] * noise[j] + theta[1 + j] + noise[3];
  x[3] = exp(mark(theta[4])) + noise[4] * theta[5];
}""", theta_dim=6, x_dim=4, draws=(("standard_normal", 3), ("random", 2)))
def mixed(rng, theta):
    z, u = rng.standard_normal((len(theta), 3)), rng.random((len(theta), 2))
    x = theta[:, :4].copy()
    x[:, :3] = theta[:, :1] * z + theta[:, 1:4] + u[:, :1]
    x[:, 3] = array_module(theta).exp(theta[:, 4] / 2) + u[:, 1] * theta[:, 5]
    return x


@case("inference.rejection_abc.sample#counted parts", sizes=(1500,), terms=50, kernels=True)
def _(on, paint, n):
    """Every kind of prior that a kernel draws, and several draws of a user's own simulator, with names of its
    own choice."""
    priors = on.package.priors
    prior = priors.Independent([priors.LogNormal([0.3], [0.2]),
                                priors.Independent([priors.BoxUniform([0.1, -2.0], [0.7, 5.0])]),
                                priors.Normal([1.0, -1.0], [0.5, 2.0]), priors.BoxUniform([3.0], [3.5])])
    return on.package.inference.rejection_abc.sample(counting(on), prior, mixed, on.put(np.zeros(4)),
                                                     n_simulations=n, epsilon=1e6, chunk_size=333)


@kernel_code("""
__device__ void simulate(const real* theta, const real* noise, real* x) {
  x[0] = floor(5 * noise[0]) / (theta[0] < real(0.9));
}""",
             theta_dim=1, x_dim=1, draws=(("random", 1),))
def levels(rng, theta):
    """Whole numbers, many of them tied; inf or NaN where θ is high."""
    xp, u = array_module(theta), rng.random((len(theta), 1))
    with np.errstate(all="ignore"):
        return xp.floor(5 * u) / (theta < 0.9).astype(theta.dtype)


@case("inference.rejection_abc.sample#counted ties and failures", sizes=(2000,), dtypes=("float64",),
      kernels=True, note="which of two sides a draw lies on")
def _(on, paint, n):
    module, boxes, results = on.package.inference.rejection_abc, on.package.priors.BoxUniform, []
    for high, ask in ((0.8, dict(quantile=0.001)), (0.8, dict(quantile=0.3)), (0.8, dict(epsilon=1.0)),
                      (0.8, dict(epsilon=0.25)), (1.0, dict(quantile=0.3)), (1.0, dict(epsilon=1.5))):
        results.append(outcome(module.sample, counting(on), boxes([0.5], [high]), levels,
                               on.put(np.array([2.0 if high < 1 else 2.5])), n_simulations=n, chunk_size=77,
                               **ask))
    return results
