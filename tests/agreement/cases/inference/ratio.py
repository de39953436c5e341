import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, CONTEXT, HIDDEN = 2, 3, (6, 5)
KINDS = {"binary": {"n_contrastive": 1}, "four": {"n_contrastive": 4},
         "balanced": {"n_contrastive": 1, "balance": 20.0},
         "four, balanced": {"n_contrastive": 4, "balance": 20.0}}


def setting(on, paint, n, hidden=HIDDEN):
    """Parameters, u and c."""
    tree = on.package.inference.ratio.init_params(np.random.default_rng(0), dim=DIM, context_dim=CONTEXT,
                                                  hidden=hidden)
    params = on.put(random_tree(paint, tree, 0.7))
    return params, on.put(painted(paint, (n, DIM))), on.put(painted(paint, (n, CONTEXT)))


def baseline(on, prior=None):
    """The prior and regression of the linear ratio."""
    coefficients = painted(np.random.default_rng(7), (CONTEXT + 1, DIM))
    factor = np.array([[0.7, 0.0], [0.4, 0.2]])
    regression = on.package.preprocessing.regression.Regression(on.put(coefficients), on.put(factor))
    prior = prior or on.package.priors.BoxUniform([0.0, 1.0], [1.0, 2.0])
    return {"prior": prior, "regression": regression}


@case("inference.ratio.init_params", sizes=(1, 4))
def _(on, paint, n):
    init_params = on.package.inference.ratio.init_params
    settings = ({}, {"hidden": (4,)})
    return ([init_params(on.rng(1), dim=n, context_dim=3, **chosen) for chosen in settings],
            error_of(init_params, on.rng(1), dim=n, context_dim=3, hidden=()))


@case("inference.ratio.linear_log_ratio", terms=50)
def _(on, paint, n):
    _, u, c = setting(on, paint, n)
    priors = (on.package.priors.BoxUniform([0.0, 1.0], [1.0, 2.0]),
              on.package.priors.Dirichlet([1.0, 2.0, 3.0]))
    return [on.package.inference.ratio.linear_log_ratio(u, context, **baseline(on, prior))
            for prior in priors for context in (c, c[:1])]


@case("inference.ratio.log_ratio", terms=100, kernels=True)
def _(on, paint, n):
    params, u, c = setting(on, paint, n)
    return [on.package.inference.ratio.log_ratio(params, u, context, **baseline(on))
            for context in (c, c[:1])]


@case("inference.ratio.log_ratio#more than a block", sizes=(2500,), terms=100, kernels=True)
def _(on, paint, n):
    return on.package.inference.ratio.log_ratio(*setting(on, paint, n), **baseline(on))


for name, hidden in (("two layers", HIDDEN), ("one layer", (5,))):
    @case(f"inference.ratio.log_ratio_and_grad#{name}", terms=200, kernels=True)
    def _(on, paint, n, hidden=hidden):
        params, u, c = setting(on, paint, n, hidden)
        value, grad = on.package.inference.ratio.log_ratio_and_grad(params, u, c, **baseline(on))
        return value, grad, on.package.inference.ratio.log_ratio_and_grad(params, u, c[:1], **baseline(on))[1]


for name, settings in KINDS.items():
    @case(f"inference.ratio.loss#{name}", sizes=(2, 7, 31, 153), terms=lambda n: n + 100,
          kernels="balance" not in settings)
    def _(on, paint, n, settings=settings):
        return on.package.inference.ratio.loss(*setting(on, paint, n), **baseline(on), **settings)

    @case(f"inference.ratio.loss_and_grad#{name}", sizes=(2, 7, 31, 153), terms=lambda n: n + 500,
          kernels="balance" not in settings)
    def _(on, paint, n, settings=settings):
        return on.package.inference.ratio.loss_and_grad(*setting(on, paint, n), **baseline(on), **settings)


@case("inference.ratio.loss_and_grad#one layer", sizes=(7,), terms=500, kernels=True)
def _(on, paint, n):
    return on.package.inference.ratio.loss_and_grad(*setting(on, paint, n, (5,)), **baseline(on))


for name, balance in (("saturated", 0.0), ("saturated, balanced", 20.0)):
    @case(f"inference.ratio.loss_and_grad#{name}", sizes=(7,), terms=500, kernels=not balance)
    def _(on, paint, n, balance=balance):
        """Logits of hundreds of nats, where a sigmoid is 0 or 1 to the last digit."""
        params, _, c = setting(on, paint, n)
        u = on.put(2.5 * painted(paint, (n, DIM)))
        return on.package.inference.ratio.loss_and_grad(params, u, c, n_contrastive=3, balance=balance,
                                                        **baseline(on))


@case("inference.ratio.loss#bad input", sizes=(5,))
def _(on, paint, n):
    params, u, c = setting(on, paint, n)
    ratio, known = on.package.inference.ratio, baseline(on)
    bad = ((u[:1], c[:1]), (u[:, :1], c), (u, c[:, 1:]), (u, c[:3]), (u, c[:1]), (u[0], c))
    return ([error_of(function, params, *pair, **known) for function in (ratio.loss, ratio.loss_and_grad)
             for pair in bad],
            [error_of(ratio.log_ratio, params, *pair, **known) for pair in bad[1:4]])
