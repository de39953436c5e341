"""What the cases of every flow share: parameters, inputs and the calls that all flows have."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

__all__ = ["DIM", "CONTEXT", "parameters", "inputs", "chain", "register"]

DIM, CONTEXT = 3, 2


def chain(n_transforms, hidden, dim=DIM):
    """The length of the sums along one pass through a flow; the inverse and the gradient walk it several
    times."""
    return n_transforms * 2 * (sum(hidden) + 2 * dim)


def parameters(on, paint, name, *, dim=DIM, context_dim=CONTEXT, **settings):
    """A random tree of the density's parameters, masked entries included, on the backend."""
    density = getattr(on.package.density, name)
    tree = density.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim, **settings)
    return on.put(random_tree(paint, tree, 0.4))


def inputs(on, paint, n, dim=DIM, context_dim=CONTEXT):
    """x (n, dim) and a context (n, context_dim), None without one; x is the same either way, and so is what
    paint gives next."""
    x, context = painted(paint, (n, dim)), painted(paint, (n, context_dim or CONTEXT))
    return on.put(x), on.put(context) if context_dim else None


def register(name, terms, **settings):
    """The cases of one density with and without a context, for settings of init_params and terms of one
    pass."""
    def density(on):
        return getattr(on.package.density, name)

    def given(on, paint, context_dim=CONTEXT):
        return parameters(on, paint, name, context_dim=context_dim, **settings)

    for context_dim in (0, CONTEXT):
        @case(f"density.{name}.init_params#{context_dim}", sizes=(1,))
        def _(on, paint, n, context_dim=context_dim):
            return density(on).init_params(on.rng(3), dim=DIM, context_dim=context_dim, **settings)

        @case(f"density.{name}.forward#{context_dim}", terms=terms, kernels=True)
        def _(on, paint, n, context_dim=context_dim):
            x, context = inputs(on, paint, n, DIM, context_dim)
            return density(on).forward(given(on, paint, context_dim), x, context)

        @case(f"density.{name}.inverse#{context_dim}", terms=10 * terms, kernels=True)
        def _(on, paint, n, context_dim=context_dim):
            z, context = inputs(on, paint, n, DIM, context_dim)
            return density(on).inverse(given(on, paint, context_dim), z, context)

        @case(f"density.{name}.loss_and_grad#{context_dim}", terms=lambda n: n + 10 * terms, kernels=True)
        def _(on, paint, n, context_dim=context_dim):
            x, context = inputs(on, paint, n, DIM, context_dim)
            return density(on).loss_and_grad(given(on, paint, context_dim), x, context)

    @case(f"density.{name}.log_prob", sizes=(1, 7, 1100), terms=terms, kernels=True)
    def _(on, paint, n):
        (x, context), params, log_prob = inputs(on, paint, n), given(on, paint), density(on).log_prob
        bad = [(x[:, :2], context), (x, None), (x, context[:, :1]), (x, on.put(np.zeros((n + 1, CONTEXT))))]
        return log_prob(params, x, context), [error_of(log_prob, params, *arguments) for arguments in bad]

    @case(f"density.{name}.loss", terms=lambda n: n + terms, kernels=True)
    def _(on, paint, n):
        return density(on).loss(given(on, paint), *inputs(on, paint, n))

    @case(f"density.{name}.sample", sizes=(1, 7), terms=10 * terms, kernels=True)
    def _(on, paint, n):
        sample, context = density(on).sample, on.put(painted(paint, (4, CONTEXT)))
        params, plain = given(on, paint), given(on, paint, 0)
        bad = [(params, on.rng(), n), (plain, on.rng(), n, context), (plain, on.rng(), -1)]
        return (sample(params, on.rng(1), n, context), sample(plain, on.rng(2), n),
                [error_of(sample, *arguments) for arguments in bad])

    for sizes, suffix in ((0,), "nothing"), ((300, 1100), "blocks"):
        @case(f"density.{name}.sample#{suffix}", sizes=sizes, terms=10 * terms, kernels=0 not in sizes)
        def _(on, paint, n):
            context = on.put(painted(paint, (4, CONTEXT)))
            return density(on).sample(given(on, paint), on.rng(1), n, context)

    @case(f"density.{name}.sample#counted", sizes=(1, 90), terms=10 * terms, kernels=True)
    def _(on, paint, n):
        """Numbers from a counter-based generator, which a kernel draws for itself."""
        context = on.put(painted(paint, (3, CONTEXT)))
        rng = on.package.runtime.philox.PhiloxGenerator(11, like=context)
        drawn = [density(on).sample(given(on, paint), rng, n, context),
                 density(on).sample(given(on, paint, 0), rng, n)]
        return drawn, rng.block
