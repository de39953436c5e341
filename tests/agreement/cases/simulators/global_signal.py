import numpy as np

from tests.agreement.registry import case, error_of

TRUTHS = np.array([[0.24, 15.0, 7.0], [0.02, 18.5, 5.2], [0.299, 10.1, 9.7]])


def theta(paint, n):
    return paint.uniform([0.01, 10.0, 5.0], [0.3, 20.0, 10.0], (n, 3))


def observations(on, paint):
    noise = paint.standard_normal((3, 100)) * 0.025
    return [on.put(row) for row in reference_signal(TRUTHS) + noise]


def reference_signal(at):
    return -at[:, :1] * np.exp(-0.5 * ((np.linspace(5, 30, 100) - at[:, 1:2]) / at[:, 2:])**2)


@case("simulators.global_signal.signal", terms=10)
def _(on, paint, n):
    return on.package.simulators.global_signal.signal(on.put(theta(paint, n)))


@case("simulators.global_signal.signal_vjp", sizes=(1, 31, 1500), terms=100)
def _(on, paint, n):
    signal_vjp = on.package.simulators.global_signal.signal_vjp
    at, dm = theta(paint, n), paint.standard_normal((n, 100))
    return signal_vjp(on.put(at), on.put(dm)), error_of(signal_vjp, on.put(at), on.put(dm[:, 1:]))


@case("simulators.global_signal.simulate", sizes=(1, 31, 2500), terms=10)
def _(on, paint, n):
    simulate, at = on.package.simulators.global_signal.simulate, on.put(theta(paint, n))
    return (simulate(on.rng(n), at), error_of(simulate, on.rng(n), at[:, :2]),
            error_of(simulate, on.rng(n), at, noise=-1.0))


@case("simulators.global_signal.log_likelihood", sizes=(1, 31, 1500), terms=100)
def _(on, paint, n):
    at, log_likelihood = theta(paint, n), on.package.simulators.global_signal.log_likelihood
    x = on.put(reference_signal(at) + 0.03 * paint.standard_normal((n, 100)))
    return log_likelihood(on.put(at), x), log_likelihood(on.put(at), x[0], noise=0.1)


@case("simulators.global_signal.exact_posterior_sample", sizes=(153,), terms=100, dtypes=("float64",),
      note="a search in the running sum is a comparison")
def _(on, paint, n):
    return [on.package.simulators.global_signal.exact_posterior_sample(on.rng(n), n, x)
            for x in observations(on, paint)]


@case("simulators.global_signal.exact_posterior_sample#inside", sizes=(153,))
def _(on, paint, n):
    module = on.package.simulators.global_signal
    inside = [module.prior.contains(module.exact_posterior_sample(on.rng(n), n, x))
              for x in observations(on, paint)[1:]]
    return inside, error_of(module.exact_posterior_sample, on.rng(n), n, 1000 * observations(on, paint)[0])


@case("simulators.global_signal.exact_posterior_log_prob", sizes=(31,), terms=1000)
def _(on, paint, n):
    at = theta(paint, n)
    at[2::7, 0] = 0.31
    log_prob = on.package.simulators.global_signal.exact_posterior_log_prob
    first, *others = observations(on, paint)
    return log_prob(on.put(at), first, noise=0.2), [log_prob(on.put(at), x) for x in others]
