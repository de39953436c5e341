import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, CONTEXT, HIDDEN = 2, 3, (6, 5)
KINDS = {"binary": {"n_contrastive": 1}, "four": {"n_contrastive": 4}, "balanced": {"n_contrastive": 1, "balance": 20.0},
         "four, balanced": {"n_contrastive": 4, "balance": 20.0}}


def setting(on, paint, n, hidden=HIDDEN):
    tree = on.package.inference.ratio.init_params(np.random.default_rng(0), dim=DIM, context_dim=CONTEXT, hidden=hidden)
    return (on.put(random_tree(paint, tree, 0.7)), on.put(painted(paint, (n, 2 * DIM + 1))), on.put(painted(paint, (n, CONTEXT + DIM))))


def regression(on, paint):
    factor = np.array([[0.7, 0.0], [0.4, 0.2]])
    return on.package.preprocessing.regression.Regression(on.put(painted(paint, (CONTEXT + 1, DIM))), on.put(factor))


@case("inference.ratio.init_params", sizes=(1, 4))
def _(on, paint, n):
    init_params = on.package.inference.ratio.init_params
    return [init_params(on.rng(1), dim=n, context_dim=3, **chosen) for chosen in ({}, {"hidden": (4,)})], error_of(
        init_params, on.rng(1), dim=n, context_dim=3, hidden=())


@case("inference.ratio.theta_rows_of", terms=50)
def _(on, paint, n):
    priors, theta_rows_of = on.package.priors, on.package.inference.ratio.theta_rows_of
    fitted, u = regression(on, paint), on.put(painted(paint, (n, DIM)))
    return [theta_rows_of(prior, fitted, u) for prior in (priors.BoxUniform([0.0, 1.0], [1.0, 2.0]), priors.Dirichlet([1.0, 2.0, 3.0]))]


@case("inference.ratio.x_rows_of", terms=50)
def _(on, paint, n):
    return on.package.inference.ratio.x_rows_of(regression(on, paint), on.put(painted(paint, (n, CONTEXT))))


@case("inference.ratio.linear_log_ratio", terms=20)
def _(on, paint, n):
    _, theta_rows, x_rows = setting(on, paint, n)
    return [on.package.inference.ratio.linear_log_ratio(theta_rows, rows) for rows in (x_rows, x_rows[:1])]


@case("inference.ratio.log_ratio", terms=60, kernels=True)
def _(on, paint, n):
    params, theta_rows, x_rows = setting(on, paint, n)
    return [on.package.inference.ratio.log_ratio(params, theta_rows, rows) for rows in (x_rows, x_rows[:1])]


@case("inference.ratio.log_ratio#more than a block", sizes=(2500,), terms=60, kernels=True)
def _(on, paint, n):
    return on.package.inference.ratio.log_ratio(*setting(on, paint, n))


for name, hidden in (("two layers", HIDDEN), ("one layer", (5,))):
    @case(f"inference.ratio.log_ratio_and_grad#{name}", terms=100, kernels=True)
    def _(on, paint, n, hidden=hidden):
        params, theta_rows, x_rows = setting(on, paint, n, hidden)
        value, grad = on.package.inference.ratio.log_ratio_and_grad(params, theta_rows, x_rows)
        return value, grad, on.package.inference.ratio.log_ratio_and_grad(params, theta_rows, x_rows[:1])[1]


for name, settings in KINDS.items():
    @case(f"inference.ratio.loss#{name}", sizes=(2, 7, 31, 153), terms=lambda n: n + 100, kernels="balance" not in settings)
    def _(on, paint, n, settings=settings):
        return on.package.inference.ratio.loss(*setting(on, paint, n), **settings)

    @case(f"inference.ratio.loss_and_grad#{name}", sizes=(2, 7, 31, 153), terms=lambda n: n + 500, kernels="balance" not in settings)
    def _(on, paint, n, settings=settings):
        return on.package.inference.ratio.loss_and_grad(*setting(on, paint, n), **settings)


@case("inference.ratio.loss_and_grad#one layer", sizes=(7,), terms=500, kernels=True)
def _(on, paint, n):
    return on.package.inference.ratio.loss_and_grad(*setting(on, paint, n, (5,)))


for name, balance in (("saturated", 0.0), ("saturated, balanced", 20.0)):
    @case(f"inference.ratio.loss_and_grad#{name}", sizes=(7,), terms=500, kernels=not balance)
    def _(on, paint, n, balance=balance):
        """Logits of hundreds of nats, where a sigmoid is 0 or 1 to the last digit."""
        params, theta_rows, x_rows = setting(on, paint, n)
        theta_rows = on.put(20 * painted(paint, (n, 2 * DIM + 1)))
        return on.package.inference.ratio.loss_and_grad(params, theta_rows, x_rows, n_contrastive=3, balance=balance)


@case("inference.ratio.loss#bad input", sizes=(1,))
def _(on, paint, n):
    params, theta_rows, x_rows = setting(on, paint, n)
    return [error_of(function, params, theta_rows, x_rows)
            for function in (on.package.inference.ratio.loss, on.package.inference.ratio.loss_and_grad)]
