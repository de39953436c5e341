"""Cases for the variational autoencoder: each likelihood, with a context and without, and everything that a
fitted one can do."""
import tempfile

import numpy as np

from tests.agreement.cases.generative.elbo import (
    CHAIN, CONTEXT, DIM, HIDDEN, LATENT, LIKELIHOODS, VARIANTS, noise, setting)
from tests.agreement.registry import case, error_of, painted


def fitted(on, paint, n, name="GAUSSIAN"):
    """Twenty steps with nothing held out, so that no comparison of losses can branch."""
    x, context = painted(paint, (n, DIM), 0.0, 1.0) / 1.3, painted(paint, (n, CONTEXT)) + 7.0
    model = on.package.generative.vae.fit(on.put(x), n_latent=LATENT, rng=on.rng(3), context=on.put(context),
                                          likelihood=getattr(on.package.generative.likelihoods, name),
                                          sigma=0.3, beta=0.7, hidden=HIDDEN, batch_size=5, max_epochs=5,
                                          validation_fraction=0.0)
    return model, on.put(x), on.put(context)


def without_functions(model):
    return model._replace(likelihood=model.likelihood.name)


for name in LIKELIHOODS:
    @case(f"generative.vae.init_params#{name}", sizes=(1, 7), terms=4)
    def _(on, paint, n, name=name):
        likelihood = getattr(on.package.generative.likelihoods, name)
        return on.package.generative.vae.init_params(on.rng(1), dim=n, n_latent=2, context_dim=3,
                                                     hidden=(4, 3), likelihood=likelihood, sigma=0.2)

    @case(f"generative.vae.fit#{name}", sizes=(20,), terms=4000)
    def _(on, paint, n, name=name):
        return without_functions(fitted(on, paint, n, name)[0])

    @case(f"generative.vae.VAE.elbo#{name}", sizes=(20,), terms=4000)
    def _(on, paint, n, name=name):
        model, x, context = fitted(on, paint, n, name)
        return model.elbo(on.rng(5), x, context), error_of(model.elbo, on.rng(5), x)

    @case(f"generative.vae.VAE.inverse_transform#{name}", sizes=(20,), terms=4000)
    def _(on, paint, n, name=name):
        model, x, context = fitted(on, paint, n, name)
        z = noise(on, paint, n)
        return model.inverse_transform(z, context), error_of(model.inverse_transform, x, context)

for name, context_dim in VARIANTS:
    @case(f"generative.vae.loss_and_grad#{name}, context {context_dim}", terms=lambda n: 4 * CHAIN + DIM * n)
    def _(on, paint, n, name=name, context_dim=context_dim):
        params, x, context, likelihood = setting(on, paint, n, name, context_dim)
        return on.package.generative.vae.loss_and_grad(params, x, noise(on, paint, n), context, beta=0.7,
                                                       likelihood=likelihood)

for name in ("GAUSSIAN", "FIXED_GAUSSIAN"):
    @case(f"generative.vae.sample#{name}", sizes=(1, 7, 1100), terms=2 * CHAIN)
    def _(on, paint, n, name=name):
        vae, (params, _, context, likelihood) = on.package.generative.vae, setting(on, paint, 4, name)
        plain, *_ = setting(on, paint, 1, name, 0)
        bad = [error_of(vae.sample, params, on.rng(), n), error_of(vae.sample, plain, on.rng(), n, context),
               error_of(vae.sample, plain, on.rng(), -1)]
        return (vae.sample(params, on.rng(1), n, context, likelihood=likelihood),
                vae.sample(plain, on.rng(2), n, likelihood=likelihood),
                vae.sample(params, on.rng(3), n, context, likelihood=likelihood, mean_only=True), bad)


@case("generative.vae.sample#BERNOULLI", sizes=(1, 7), terms=2 * CHAIN, dtypes=("float64",),
      note="a pixel is set where a uniform draw is below its probability; rounding may choose the other")
def _(on, paint, n):
    vae, (params, _, context, likelihood) = on.package.generative.vae, setting(on, paint, 4, "BERNOULLI")
    return vae.sample(params, on.rng(1), n, context, likelihood=likelihood)


@case("generative.vae.sample#BERNOULLI, mean", sizes=(1, 7), terms=2 * CHAIN)
def _(on, paint, n):
    vae, (params, _, context, likelihood) = on.package.generative.vae, setting(on, paint, 4, "BERNOULLI")
    return vae.sample(params, on.rng(1), n, context, likelihood=likelihood, mean_only=True)


@case("generative.vae.init_params#bad input", sizes=(1,))
def _(on, paint, n):
    bad = ({"dim": 0}, {"n_latent": 1.5}, {"hidden": (4, 0)}, {"context_dim": -1}, {"sigma": 0.0},
           {"sigma": 1e4}, {"likelihood": "gaussian"})
    return [error_of(on.package.generative.vae.init_params, on.rng(1), **{"dim": 3, "n_latent": 2} | settings)
            for settings in bad]


@case("generative.vae.draw_noise")
def _(on, paint, n):
    return on.package.generative.vae.draw_noise(on.rng(4), n, n_latent=3)


@case("generative.vae.loss", terms=lambda n: 2 * CHAIN + n)
def _(on, paint, n):
    vae, (params, x, context, _), eps = on.package.generative.vae, setting(on, paint, n), noise(on, paint, n)
    bad = [error_of(vae.loss, params, x, eps, context, beta=-1.0),
           error_of(vae.loss_and_grad, params, x, eps, context, beta=-1.0),
           error_of(vae.loss_and_grad, params, x, eps),
           error_of(vae.loss_and_grad, params, x, eps[:, :1], context)]
    return vae.loss(params, x, eps, context, beta=0.7), bad


@case("generative.vae.fit#unconditional, with a validation set", sizes=(40,), terms=4000, dtypes=("float64",),
      note="which epoch is best hangs on a comparison")
def _(on, paint, n):
    x = on.put(painted(paint, (n, DIM)))
    return without_functions(on.package.generative.vae.fit(x, n_latent=LATENT, rng=on.rng(3), hidden=(),
                                                           batch_size=9, max_epochs=4))


@case("generative.vae.fit#bad input", sizes=(8,))
def _(on, paint, n):
    vae, x = on.package.generative.vae, painted(paint, (n, DIM))
    bernoulli, fixed = vae.BERNOULLI, vae.FIXED_GAUSSIAN
    hole = x.copy()
    hole[2, 1] = np.nan
    context = on.put(painted(paint, (n, 2)))
    bad = [error_of(vae.fit, on.put(value), n_latent=2, rng=on.rng(0))
           for value in (x[0], x[:1], hole, np.ones((n, DIM)), x > 0)]
    settings = ({"beta": -0.5}, {"likelihood": bernoulli}, {"likelihood": fixed},
                {"likelihood": fixed, "sigma": -1.0}, {"hidden": (0,)}, {"context": context[1:]},
                {"context": context[0]}, {"likelihood": "bernoulli"}, {"sigma": 1e6}, {"batch_size": 0})
    return bad, [error_of(vae.fit, on.put(x), n_latent=2, rng=on.rng(0), **bad) for bad in settings]


@case("generative.vae.VAE.transform", sizes=(20,), terms=4000)
def _(on, paint, n):
    model, x, context = fitted(on, paint, n)
    return (model.transform(x, context), error_of(model.transform, x),
            error_of(model.transform, x[:, :2], context), error_of(model.transform, x, context[:, :1]))


@case("generative.vae.VAE.sample", sizes=(20,), terms=4000)
def _(on, paint, n):
    model, _, context = fitted(on, paint, n)
    return (model.sample(on.rng(6), n, context[:3]), model.sample(on.rng(6), n, context[:3], mean_only=True),
            error_of(model.sample, on.rng(6), n), error_of(model.sample, on.rng(6), n, context[:, :2]))


@case("generative.vae.VAE.bound", sizes=(20,), terms=8000)
def _(on, paint, n):
    model, x, context = fitted(on, paint, n)
    return model.bound(on.rng(5), 12, x, context), error_of(model.bound, on.rng(5), 0, x, context)


@case("generative.vae.VAE.save", sizes=(20,), terms=4000)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        fitted(on, paint, n)[0].save(folder + "/vae.npz")
        return on.put(without_functions(on.package.generative.vae.load(folder + "/vae.npz")))


@case("generative.vae.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.generative.vae.load, "no such file")
