"""Cases for the neural spline flow. Inputs reach beyond the spline's interval; none lies on a knot."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, CONTEXT = 3, 2
SEVERAL = {"sizes": (2, 7, 31, 153)}
ONE = {"sizes": (1,), "dtypes": ("float64",),
       "note": "the log-determinant of a single row is a sum of terms that may cancel, so that its own size "
       "is no scale for float32"}
SETTINGS = {"n_transforms": 2, "hidden": (7, 5), "n_bins": 4}
# sums along one pass through the flow; the inverse and gradient walk it again
CHAIN = 2 * 2 * (7 + 5 + 13 * DIM)


def parameters(on, paint, context_dim=CONTEXT):
    tree = on.package.density.nsf.init_params(np.random.default_rng(0), dim=DIM, context_dim=context_dim,
                                              **SETTINGS)
    return on.put(random_tree(paint, tree, 0.4))


def both(paint, n):
    return painted(paint, (n, DIM), -5.0, 6.0), painted(paint, (n, CONTEXT))


for context_dim in (0, CONTEXT):
    @case(f"density.nsf.init_params#{context_dim}", sizes=(1,))
    def _(on, paint, n, context_dim=context_dim):
        return on.package.density.nsf.init_params(on.rng(3), dim=DIM, context_dim=context_dim, **SETTINGS)

    for rows, of in {"": SEVERAL, " one row": ONE}.items():
        @case(f"density.nsf.forward#{context_dim}{rows}", terms=CHAIN, **of)
        def _(on, paint, n, context_dim=context_dim):
            x, context = map(on.put, both(paint, n))
            return on.package.density.nsf.forward(parameters(on, paint, context_dim), x,
                                                  context if context_dim else None)

        @case(f"density.nsf.loss_and_grad#{context_dim}{rows}", terms=lambda n: n + 10 * CHAIN, **of)
        def _(on, paint, n, context_dim=context_dim):
            x, context = map(on.put, both(paint, n))
            return on.package.density.nsf.loss_and_grad(parameters(on, paint, context_dim), x,
                                                        context if context_dim else None)

        @case(f"density.nsf.log_prob_and_grad#{context_dim}{rows}", terms=10 * CHAIN, **of)
        def _(on, paint, n, context_dim=context_dim):
            x, context = map(on.put, both(paint, n))
            return on.package.density.nsf.log_prob_and_grad(parameters(on, paint, context_dim), x,
                                                            context if context_dim else None)

    @case(f"density.nsf.inverse#{context_dim}", terms=10 * CHAIN)
    def _(on, paint, n, context_dim=context_dim):
        z, context = map(on.put, both(paint, n))
        return on.package.density.nsf.inverse(parameters(on, paint, context_dim), z,
                                              context if context_dim else None)


@case("density.nsf.init_params#bad input", sizes=(1,))
def _(on, paint, n):
    return [error_of(on.package.density.nsf.init_params, on.rng(), **{"dim": 2, **bad})
            for bad in ({"n_bins": 1}, {"n_bins": 2.5}, {"n_transforms": 0}, {"hidden": ()}, {"dim": 0})]


@case("density.nsf.log_prob", sizes=(1, 7, 1100), terms=CHAIN)
def _(on, paint, n):
    nsf, (x, context) = on.package.density.nsf, map(on.put, both(paint, n))
    params = parameters(on, paint)
    bad = [(x[:, :2], context), (x, None), (x, context[:, :1]), (x, on.put(np.zeros((n + 1, CONTEXT))))]
    return nsf.log_prob(params, x, context), [error_of(nsf.log_prob, params, *arguments) for arguments in bad]


@case("density.nsf.sample", sizes=(1, 7), terms=10 * CHAIN)
def _(on, paint, n):
    nsf, context = on.package.density.nsf, on.put(painted(paint, (4, CONTEXT)))
    params, plain = parameters(on, paint), parameters(on, paint, 0)
    bad = [error_of(nsf.sample, params, on.rng(), n), error_of(nsf.sample, plain, on.rng(), n, context),
           error_of(nsf.sample, plain, on.rng(), -1)]
    return nsf.sample(params, on.rng(1), n, context), nsf.sample(plain, on.rng(2), n), bad


@case("density.nsf.loss", terms=lambda n: n + CHAIN)
def _(on, paint, n):
    return on.package.density.nsf.loss(parameters(on, paint), *map(on.put, both(paint, n)))
