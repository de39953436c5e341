"""Cases for the evidence lower bound: each likelihood, with a context and without."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, LATENT, CONTEXT, HIDDEN = 5, 2, 3, (7, 4)
CHAIN = 2 * (DIM + LATENT + CONTEXT + sum(HIDDEN))            # sums along one pass through both networks
LIKELIHOODS = ("GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI")
VARIANTS = [(name, context_dim) for name in LIKELIHOODS for context_dim in (0, CONTEXT)]


def setting(on, paint, n, name="GAUSSIAN", context_dim=CONTEXT):
    """Painted parameters, x, the context, and the likelihood of that name."""
    likelihood = getattr(on.package.generative.likelihoods, name)
    tree = on.package.generative.vae.init_params(np.random.default_rng(0), dim=DIM, n_latent=LATENT,
                                                 context_dim=context_dim, hidden=HIDDEN,
                                                 likelihood=likelihood)
    x = painted(paint, (n, DIM), 0.0, 1.0) / 1.3
    context = on.put(painted(paint, (n, context_dim))) if context_dim else None
    return on.put(random_tree(paint, tree, scale=0.6)), on.put(x), context, likelihood


def noise(on, paint, *shape):
    return on.put(painted(paint, (*shape, LATENT)))


for name, context_dim in VARIANTS:
    @case(f"generative.elbo.elbo_terms#{name}, context {context_dim}", terms=2 * CHAIN)
    def _(on, paint, n, name=name, context_dim=context_dim):
        params, x, context, likelihood = setting(on, paint, n, name, context_dim)
        return on.package.generative.elbo.elbo_terms(params, x, noise(on, paint, n), context,
                                                     likelihood=likelihood)

    @case(f"generative.elbo.importance_weighted_bound#{name}, context {context_dim}",
          terms=lambda n: 4 * CHAIN)
    def _(on, paint, n, name=name, context_dim=context_dim):
        params, x, context, likelihood = setting(on, paint, n, name, context_dim)
        return on.package.generative.elbo.importance_weighted_bound(params, x, noise(on, paint, 9, n),
                                                                    context, likelihood=likelihood)


@case("generative.elbo.encode", terms=CHAIN)
def _(on, paint, n):
    elbo, (params, x, context, _) = on.package.generative.elbo, setting(on, paint, n)
    bad = [(x[:, :2], context), (x, None), (x, context[:, :1]), (x, on.put(np.zeros((n + 1, CONTEXT))))]
    plain, *_ = setting(on, paint, n, context_dim=0)
    return (elbo.encode(params, x, context), [error_of(elbo.encode, params, *inputs) for inputs in bad],
            error_of(elbo.encode, plain, x, context))


@case("generative.elbo.decode", terms=CHAIN)
def _(on, paint, n):
    elbo, (params, _, context, _), z = on.package.generative.elbo, setting(on, paint, n), noise(on, paint, n)
    bad = [(z[:, :1], context), (z, None), (z, context[:, :1])]
    return elbo.decode(params, z, context), [error_of(elbo.decode, params, *inputs) for inputs in bad]


@case("generative.elbo.elbo", terms=2 * CHAIN)
def _(on, paint, n):
    elbo, (params, x, context, _), eps = (on.package.generative.elbo, setting(on, paint, n),
                                          noise(on, paint, n))
    bad = [error_of(elbo.elbo, params, x, eps[:, :1], context), error_of(elbo.elbo, params, x, eps),
           error_of(elbo.importance_weighted_bound, params, x, eps, context),
           error_of(elbo.importance_weighted_bound, params, x, eps[None][:0], context)]
    return elbo.elbo(params, x, eps, context), bad


@case("generative.elbo.elbo#more than a block", sizes=(2500,), terms=2 * CHAIN)
def _(on, paint, n):
    params, x, context, _ = setting(on, paint, n)
    elbo, eps = on.package.generative.elbo, noise(on, paint, n)
    return (elbo.elbo(params, x, eps, context), elbo.encode(params, x, context),
            elbo.decode(params, eps, context))


@case("generative.elbo.importance_weighted_bound#more draws than fit a block", sizes=(3, 700),
      terms=8 * CHAIN)
def _(on, paint, n):
    params, x, context, _ = setting(on, paint, n)
    return on.package.generative.elbo.importance_weighted_bound(params, x, noise(on, paint, 2100 // n, n),
                                                                context)
