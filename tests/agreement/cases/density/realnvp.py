"""Cases for RealNVP, with an odd number of dimensions, so that the halves differ, and with one."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, CONTEXT = 3, 2
SETTINGS = {"n_transforms": 3, "hidden": (7, 5)}
# sums along one pass through the flow; the inverse and gradient walk it again
CHAIN = 3 * 2 * (7 + 5 + 2 * DIM)
VARIANTS = {"plain": (DIM, 0), "conditional": (DIM, CONTEXT), "one dimension": (1, CONTEXT),
            "two dimensions": (2, 0), "five dimensions": (5, 1)}


def parameters(on, paint, dim=DIM, context_dim=CONTEXT):
    tree = on.package.density.realnvp.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim,
                                                  **SETTINGS)
    return on.put(random_tree(paint, tree, 0.4))


def both(on, paint, n, dim=DIM, context_dim=CONTEXT):
    return on.put(painted(paint, (n, dim))), on.put(painted(paint, (n, context_dim))) if context_dim else None


for name, shape in VARIANTS.items():
    @case(f"density.realnvp.init_params#{name}", sizes=(1,))
    def _(on, paint, n, shape=shape):
        return on.package.density.realnvp.init_params(on.rng(3), dim=shape[0], context_dim=shape[1],
                                                      **SETTINGS)

    @case(f"density.realnvp.forward#{name}", terms=CHAIN, kernels=True)
    def _(on, paint, n, shape=shape):
        x, context = both(on, paint, n, *shape)
        return on.package.density.realnvp.forward(parameters(on, paint, *shape), x, context)

    @case(f"density.realnvp.inverse#{name}", terms=10 * CHAIN, kernels=True)
    def _(on, paint, n, shape=shape):
        z, context = both(on, paint, n, *shape)
        return on.package.density.realnvp.inverse(parameters(on, paint, *shape), z, context)

    @case(f"density.realnvp.loss_and_grad#{name}", terms=lambda n: n + 10 * CHAIN, kernels=True)
    def _(on, paint, n, shape=shape):
        x, context = both(on, paint, n, *shape)
        return on.package.density.realnvp.loss_and_grad(parameters(on, paint, *shape), x, context)

    @case(f"density.realnvp.log_prob_and_grad#{name}", terms=10 * CHAIN, kernels=True)
    def _(on, paint, n, shape=shape):
        x, context = both(on, paint, n, *shape)
        return on.package.density.realnvp.log_prob_and_grad(parameters(on, paint, *shape), x, context)


@case("density.realnvp.init_params#bad input", sizes=(1,))
def _(on, paint, n):
    return [error_of(on.package.density.realnvp.init_params, on.rng(), **{"dim": 2, **bad})
            for bad in ({"dim": 0}, {"dim": 1}, {"context_dim": -1}, {"n_transforms": 1},
                        {"n_transforms": 2.5}, {"hidden": ()})]


@case("density.realnvp.log_prob", sizes=(1, 7, 1100), terms=CHAIN, kernels=True)
def _(on, paint, n):
    nvp, (x, context) = on.package.density.realnvp, both(on, paint, n)
    params = parameters(on, paint)
    bad = [(x[:, :2], context), (x, None), (x, context[:, :1]), (x, on.put(np.zeros((n + 1, CONTEXT))))]
    return nvp.log_prob(params, x, context), [error_of(nvp.log_prob, params, *arguments) for arguments in bad]


@case("density.realnvp.sample", sizes=(1, 7), terms=10 * CHAIN, kernels=True)
def _(on, paint, n):
    nvp, context = on.package.density.realnvp, on.put(painted(paint, (4, CONTEXT)))
    params, plain = parameters(on, paint), parameters(on, paint, DIM, 0)
    bad = [error_of(nvp.sample, params, on.rng(), n), error_of(nvp.sample, plain, on.rng(), n, context),
           error_of(nvp.sample, plain, on.rng(), -1)]
    return nvp.sample(params, on.rng(1), n, context), nvp.sample(plain, on.rng(2), n), bad


@case("density.realnvp.loss", terms=lambda n: n + CHAIN, kernels=True)
def _(on, paint, n):
    return on.package.density.realnvp.loss(parameters(on, paint), *both(on, paint, n))


@case("density.realnvp.loss_and_grad#default sizes", sizes=(33,), terms=10_000, kernels=True)
def _(on, paint, n):
    nvp = on.package.density.realnvp
    params = on.put(random_tree(paint, nvp.init_params(np.random.default_rng(0), dim=2), 0.1))
    x = on.put(painted(paint, (n, 2)))
    return nvp.loss_and_grad(params, x), nvp.sample(params, on.rng(1), n), nvp.log_prob(params, x)
