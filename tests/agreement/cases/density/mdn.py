"""Cases for the mixture density network: with and without context, couplings and hidden layers, and in one
dimension."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, CONTEXT, K = 3, 2, 4
CHAIN = 2 * (7 + 5 + CONTEXT) + K + 4 * DIM                 # sums along one pass through network and mixture
VARIANTS = {"full": {}, "diagonal": {"covariance": "DIAGONAL"}, "plain": {"context_dim": 0},
            "one dimension": {"dim": 1}, "affine": {"hidden": ()}, "one component": {"n_components": 1}}
SELECTS = {"dtypes": ("float64",),
           "note": "the component of a draw is chosen by a comparison, which rounding may flip"}


def parameters(on, paint, *, dim=DIM, context_dim=CONTEXT, n_components=K, hidden=(7, 5), covariance="FULL"):
    mdn = on.package.density.mdn
    tree = mdn.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim,
                           n_components=n_components, hidden=hidden, covariance=getattr(mdn, covariance))
    return on.put(random_tree(paint, tree, 0.4))


def both(on, paint, n, variant):
    shape = [VARIANTS[variant].get(name, default)
             for name, default in (("dim", DIM), ("context_dim", CONTEXT))]
    return on.put(painted(paint, (n, shape[0]))), on.put(painted(paint, (n, shape[1]))) if shape[1] else None


for name in VARIANTS:
    @case(f"density.mdn.init_params#{name}", sizes=(1,))
    def _(on, paint, n, name=name):
        mdn, settings = on.package.density.mdn, {"dim": DIM, "context_dim": CONTEXT} | VARIANTS[name]
        return mdn.init_params(on.rng(3),
                               **settings | {"covariance": getattr(mdn, settings.get("covariance", "FULL"))})

    @case(f"density.mdn.loss_and_grad#{name}", terms=lambda n: n + 10 * CHAIN)
    def _(on, paint, n, name=name):
        params = parameters(on, paint, **VARIANTS[name])
        return on.package.density.mdn.loss_and_grad(params, *both(on, paint, n, name))

    @case(f"density.mdn.log_prob_and_grad#{name}", terms=10 * CHAIN)
    def _(on, paint, n, name=name):
        params = parameters(on, paint, **VARIANTS[name])
        return on.package.density.mdn.log_prob_and_grad(params, *both(on, paint, n, name))

    @case(f"density.mdn.sample#{name}", sizes=(1, 7), terms=CHAIN, **SELECTS)
    def _(on, paint, n, name=name):
        params = parameters(on, paint, **VARIANTS[name])
        return on.package.density.mdn.sample(params, on.rng(1), 5 * n, both(on, paint, n, name)[1])

    @case(f"density.mdn.components#{name}", sizes=(1, 7), terms=10 * CHAIN)
    def _(on, paint, n, name=name):
        params = parameters(on, paint, **VARIANTS[name])
        return on.package.density.mdn.components(params, both(on, paint, n, name)[1])


@case("density.mdn.init_params#bad input", sizes=(1,))
def _(on, paint, n):
    return [error_of(on.package.density.mdn.init_params, on.rng(), **{"dim": 2, **bad})
            for bad in ({"dim": 0}, {"context_dim": -1}, {"n_components": 0}, {"n_components": 2.5},
                        {"covariance": "full"})]


@case("density.mdn.log_prob", sizes=(1, 7, 1100), terms=CHAIN)
def _(on, paint, n):
    mdn, (x, context) = on.package.density.mdn, both(on, paint, n, "full")
    plain = both(on, paint, n, "plain")[0]
    params = parameters(on, paint)
    bad = [(x[:, :2], context), (x, None), (x, context[:, :1]), (x, on.put(np.zeros((n + 1, CONTEXT))))]
    return (mdn.log_prob(params, x, context), mdn.log_prob(parameters(on, paint, context_dim=0), plain),
            [error_of(mdn.log_prob, params, *arguments) for arguments in bad])


@case("density.mdn.loss", terms=lambda n: n + CHAIN)
def _(on, paint, n):
    return on.package.density.mdn.loss(parameters(on, paint), *both(on, paint, n, "full"))


@case("density.mdn.sample#bad input", sizes=(1,))
def _(on, paint, n):
    sample, params = on.package.density.mdn.sample, parameters(on, paint)
    plain = parameters(on, paint, context_dim=0)
    context = on.put(np.zeros((2, CONTEXT)))
    return [error_of(sample, params, on.rng(), 3), error_of(sample, params, on.rng(), 3, context[:, :1]),
            error_of(sample, plain, on.rng(), 3, context), error_of(sample, plain, on.rng(), -1)]
