import numpy as np

from tests.agreement.registry import case, error_of


def theta(paint, n):
    return paint.uniform(0.03, 0.3, (n, 1))


@case("simulators.power_law.simulate")
def _(on, paint, n):
    simulate, at = on.package.simulators.power_law.simulate, on.put(theta(paint, n))
    bad = error_of(simulate, on.rng(n), -at), error_of(simulate, on.rng(n), at, noise=0)
    return simulate(on.rng(n), at), simulate(on.rng(n), at, noise=0.3), bad


@case("simulators.power_law.log_likelihood", terms=100)
def _(on, paint, n):
    at = theta(paint, n)
    x = on.put(at**-1.5 * paint.uniform(0.8, 1.3, (n, 1)))
    log_likelihood = on.package.simulators.power_law.log_likelihood
    return log_likelihood(on.put(at), x), log_likelihood(on.put(at), x[0], noise=2.0)


@case("simulators.power_law.exact_posterior_sample", terms=100, dtypes=("float64",),
      note="a search in the running sum is a comparison")
def _(on, paint, n):
    return [on.package.simulators.power_law.exact_posterior_sample(on.rng(n), n, on.put(np.array([x])))
            for x in (31.6, 4.0, 190.0)]


@case("simulators.power_law.exact_posterior_log_prob", terms=2000)
def _(on, paint, n):
    at = theta(paint, n)
    at[1::7] = 0.5
    return [on.package.simulators.power_law.exact_posterior_log_prob(on.put(at), on.put(np.array([x])))
            for x in (31.6, 4.0, 190.0)]
