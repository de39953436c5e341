from tests.agreement.cases.inference.slice_sampler import slanted
from tests.agreement.registry import case, error_of, painted

for page in ("target", "run_chains"):                            # where the class is, and where users find it
    @case(f"inference.{page}.Target.log_prob", terms=10)
    def _(on, paint, n, page=page):
        u = painted(paint, (n, 2))
        u[3::5, 1] = 1e4
        return slanted(on, page=page).log_prob(on.put(u))

    @case(f"inference.{page}.Target.log_prob_and_grad", terms=10)
    def _(on, paint, n, page=page):
        u = painted(paint, (n, 2))
        u[3::5, 1] = -1e4
        return slanted(on, page=page).log_prob_and_grad(on.put(u))


@case("inference.target.Target.log_prob_and_grad#simplex", terms=10)
def _(on, paint, n):
    target = slanted(on, on.package.priors.Dirichlet([0.6, 2.0, 3.0]))
    return target.log_prob_and_grad(on.put(painted(paint, (n, 2))))


@case("inference.target.Target.log_prob#bad", sizes=(3,))
def _(on, paint, n):
    target, u = on.package.inference.target, on.put(painted(paint, (n, 2)))
    short = target.Target(slanted(on).prior, lambda u: u[1:, 0], lambda u: (u[:, 0], u[:, 0]))
    flat = target.Target(slanted(on).prior, lambda u: u[:, 0])
    return (error_of(short.log_prob, u), error_of(short.log_prob_and_grad, u),
            error_of(flat.log_prob_and_grad, u))
