from tests.agreement.registry import case, painted


@case("inference.hmc_tuning.StepSize.tuned", sizes=(1, 7), terms=100)
def _(on, paint, n):
    tuning, found = on.package.inference.hmc_tuning.StepSize(0.3), []
    for miss in paint.uniform(-0.2, 0.5, n):
        tuning = tuning.tuned(float(miss))
        found.append([tuning.epsilon, tuning.h, tuning.log_mean])
    return found


@case("inference.hmc_tuning.StepSize.settled", sizes=(1, 7), terms=100)
def _(on, paint, n):
    fresh = tuning = on.package.inference.hmc_tuning.StepSize(0.3)
    for miss in paint.uniform(-0.2, 0.5, n):
        tuning = tuning.tuned(float(miss))
    return tuning.settled().epsilon, fresh.settled().epsilon


@case("inference.hmc_tuning.first_step_size", sizes=(1, 7))
def _(on, paint, n):
    find = on.package.inference.hmc_tuning.first_step_size
    return [find(lambda epsilon, at=at: 0.9 if epsilon < at else 0.1) for at in 10.0**paint.uniform(-4, 4, n)]


@case("inference.hmc_tuning.pooled_variance")
def _(on, paint, n):
    return on.package.inference.hmc_tuning.pooled_variance(on.put(painted(paint, (n, 3))))


@case("inference.hmc_tuning.ends_of_windows", sizes=(1, 2, 31, 153))
def _(on, paint, n):
    return on.package.inference.hmc_tuning.ends_of_windows(n)
