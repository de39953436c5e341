from tests.agreement.registry import case, error_of, painted


@case("simulators.gaussian_linear.simulate")
def _(on, paint, n):
    module = on.package.simulators.gaussian_linear
    return (module.simulate(on.rng(n), on.put(painted(paint, (n, 10)))),
            error_of(module.simulate, on.rng(n), on.put(painted(paint, (n, 3)))))


@case("simulators.gaussian_linear.log_likelihood", terms=30)
def _(on, paint, n):
    log_likelihood = on.package.simulators.gaussian_linear.log_likelihood
    theta, x = on.put(painted(paint, (n, 10))), on.put(painted(paint, (n, 10)))
    return log_likelihood(theta, x), log_likelihood(theta, x[0]), error_of(log_likelihood, theta, x[:, :3])


@case("simulators.gaussian_linear.exact_posterior_sample")
def _(on, paint, n):
    x = on.put(painted(paint, (10,)))
    return on.package.simulators.gaussian_linear.exact_posterior_sample(on.rng(n), n, x)


@case("simulators.gaussian_linear.exact_posterior_log_prob", terms=30)
def _(on, paint, n):
    log_prob = on.package.simulators.gaussian_linear.exact_posterior_log_prob
    theta, x = on.put(painted(paint, (n, 10))), on.put(painted(paint, (n, 10)))
    return log_prob(theta, x), log_prob(theta, x[0])
