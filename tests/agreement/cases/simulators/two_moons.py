import numpy as np

from tests.agreement.registry import case, error_of

OBSERVATIONS = ([-0.64, 0.16], [0.1, -0.65], [-0.66, -0.43], [0.3, -0.65])
CORNER = [-1.0, 0.0]                                               # the square leaves little of its crescents


def points(paint, n):
    return paint.uniform(-1.1, 1.1, (n, 2))


@case("simulators.two_moons.simulate", terms=10)
def _(on, paint, n):
    return on.package.simulators.two_moons.simulate(on.rng(n), on.put(points(paint, n)))


@case("simulators.two_moons.log_likelihood", terms=1000)
def _(on, paint, n):
    log_likelihood, theta = on.package.simulators.two_moons.log_likelihood, points(paint, n)
    x = on.put(theta @ [[0.1, -0.7], [-0.2, 0.7]] + [-0.5, 0.05])
    return (log_likelihood(on.put(theta), x), log_likelihood(on.put(theta), x[0]),
            error_of(log_likelihood, on.put(theta), x[:, :1]))


@case("simulators.two_moons.exact_posterior_sample", terms=10, dtypes=("float64",),
      note="proposals are accepted or not by a comparison")
def _(on, paint, n):
    sample = on.package.simulators.two_moons.exact_posterior_sample
    return [sample(on.rng(n), n, on.put(np.array(x))) for x in (*OBSERVATIONS, CORNER)]


@case("simulators.two_moons.exact_posterior_sample#far", sizes=(2,))
def _(on, paint, n):
    return error_of(on.package.simulators.two_moons.exact_posterior_sample, on.rng(n), n,
                    on.put(np.array([5.0, 0.0])))


@case("simulators.two_moons.exact_posterior_log_prob", terms=1000)
def _(on, paint, n):
    log_prob = on.package.simulators.two_moons.exact_posterior_log_prob
    return [log_prob(on.put(points(paint, n)), on.put(np.array(x))) for x in OBSERVATIONS]


@case("simulators.two_moons.exact_posterior_log_prob#corner", terms=1000, dtypes=("float64",),
      note="so few rows are finite that the rounding error of float32, the budget, is a matter of luck")
def _(on, paint, n):
    return on.package.simulators.two_moons.exact_posterior_log_prob(on.put(points(paint, n)),
                                                                    on.put(np.array(CORNER)))
