"""Cases for the two autoregressive densities, which share their interface. Parameters are painted, masked entries included."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, CONTEXT, HIDDEN = 3, 2, (7, 5)
SHAPES = {"made": {}, "maf": {"n_transforms": 3}}
CHAIN = 3 * 2 * (sum(HIDDEN) + 2 * DIM)                    # sums along one pass through the flow; the inverse and gradient walk it again


def parameters(on, paint, name, context_dim=CONTEXT):
    density = getattr(on.package.density, name)
    tree = density.init_params(np.random.default_rng(0), dim=DIM, context_dim=context_dim, hidden=HIDDEN, **SHAPES[name])
    return on.put(random_tree(paint, tree, 0.4))


def both(paint, n):
    return painted(paint, (n, DIM)), painted(paint, (n, CONTEXT))


for name in SHAPES:
    for context_dim in (0, CONTEXT):
        @case(f"density.{name}.init_params#{context_dim}", sizes=(1,))
        def _(on, paint, n, name=name, context_dim=context_dim):
            return getattr(on.package.density, name).init_params(on.rng(3), dim=DIM, context_dim=context_dim, hidden=HIDDEN, **SHAPES[name])

        @case(f"density.{name}.forward#{context_dim}", terms=CHAIN, kernels=True)
        def _(on, paint, n, name=name, context_dim=context_dim):
            x, context = map(on.put, both(paint, n))
            return getattr(on.package.density, name).forward(parameters(on, paint, name, context_dim), x, context if context_dim else None)

        @case(f"density.{name}.inverse#{context_dim}", terms=10 * CHAIN, kernels=True)
        def _(on, paint, n, name=name, context_dim=context_dim):
            z, context = map(on.put, both(paint, n))
            return getattr(on.package.density, name).inverse(parameters(on, paint, name, context_dim), z, context if context_dim else None)

        @case(f"density.{name}.loss_and_grad#{context_dim}", terms=lambda n: n + 10 * CHAIN, kernels=True)
        def _(on, paint, n, name=name, context_dim=context_dim):
            x, context = map(on.put, both(paint, n))
            return getattr(on.package.density, name).loss_and_grad(
                parameters(on, paint, name, context_dim), x, context if context_dim else None)

    @case(f"density.{name}.log_prob", sizes=(1, 7, 1100), terms=CHAIN, kernels=True)
    def _(on, paint, n, name=name):
        density, (x, context) = getattr(on.package.density, name), map(on.put, both(paint, n))
        params = parameters(on, paint, name)
        bad = [(x[:, :2], context), (x, None), (x, context[:, :1]), (x, on.put(np.zeros((n + 1, CONTEXT))))]
        return density.log_prob(params, x, context), [error_of(density.log_prob, params, *arguments) for arguments in bad]

    @case(f"density.{name}.sample", sizes=(1, 7), terms=10 * CHAIN, kernels=True)
    def _(on, paint, n, name=name):
        density, context = getattr(on.package.density, name), on.put(painted(paint, (4, CONTEXT)))
        params, plain = parameters(on, paint, name), parameters(on, paint, name, 0)
        bad = [error_of(density.sample, params, on.rng(), n), error_of(density.sample, plain, on.rng(), n, context),
               error_of(density.sample, plain, on.rng(), -1)]
        return density.sample(params, on.rng(1), n, context), density.sample(plain, on.rng(2), n), bad

    for sizes, suffix in ((0,), "nothing"), ((1, 300, 1100), "blocks"):
        @case(f"density.{name}.sample#{suffix}", sizes=sizes, terms=10 * CHAIN, kernels=0 not in sizes)
        def _(on, paint, n, name=name):
            density, context = getattr(on.package.density, name), on.put(painted(paint, (4, CONTEXT)))
            return density.sample(parameters(on, paint, name), on.rng(1), n, context)

    @case(f"density.{name}.sample#counted", sizes=(1, 90), terms=10 * CHAIN, kernels=True)
    def _(on, paint, n, name=name):
        """Numbers from a generator that counts, which a kernel draws for itself."""
        density, context = getattr(on.package.density, name), on.put(painted(paint, (3, CONTEXT)))
        rng = on.package.runtime.philox.PhiloxGenerator(11, like=context)
        drawn = [density.sample(parameters(on, paint, name), rng, n, context), density.sample(parameters(on, paint, name, 0), rng, n)]
        return drawn, rng.block

    @case(f"density.{name}.loss", terms=lambda n: n + CHAIN, kernels=True)
    def _(on, paint, n, name=name):
        return getattr(on.package.density, name).loss(parameters(on, paint, name), *map(on.put, both(paint, n)))


@case("density.made.masks", sizes=(1, 2, 5))
def _(on, paint, n):
    made = on.package.density.made
    return [made.masks(made.init_params(on.rng(), dim=n, context_dim=c, hidden=(6, 4, 9))) for c in (0, 3)]


@case("density.made.conditionals", terms=CHAIN)
def _(on, paint, n):
    return on.package.density.made.conditionals(parameters(on, paint, "made"), *map(on.put, both(paint, n)))


for context_dim in (0, CONTEXT):
    @case(f"density.maf.log_prob_and_grad#{context_dim}", terms=10 * CHAIN, kernels=True)
    def _(on, paint, n, context_dim=context_dim):
        x, context = map(on.put, both(paint, n))
        return on.package.density.maf.log_prob_and_grad(parameters(on, paint, "maf", context_dim), x, context if context_dim else None)


for dim, context_dim, hidden in ((1, 0, (5,)), (1, 2, (6, 4)), (2, 0, (7, 5)), (12, 3, (9, 14, 6))):
    @case(f"density.maf.loss_and_grad#{dim} dimensions, {context_dim} features, {len(hidden)} layers", sizes=(37,),
          terms=lambda n, dim=dim, hidden=hidden: n + 50 * (sum(hidden) + 2 * dim), kernels=True)
    def _(on, paint, n, dim=dim, context_dim=context_dim, hidden=hidden):
        """The density, its inverse and its gradient at other shapes, two transforms."""
        maf, tree = on.package.density.maf, on.package.density.maf.init_params(
            np.random.default_rng(0), dim=dim, context_dim=context_dim, hidden=hidden, n_transforms=2)
        params, x = on.put(random_tree(paint, tree, 0.4)), on.put(painted(paint, (n, dim)))
        context = on.put(painted(paint, (n, context_dim))) if context_dim else None
        return maf.loss_and_grad(params, x, context), maf.forward(params, x, context), maf.inverse(params, x, context)
