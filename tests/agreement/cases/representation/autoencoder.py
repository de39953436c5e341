import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, LATENT, HIDDEN = 5, 2, (6, 4)


def setting(on, paint, n):
    autoencoder = on.package.representation.autoencoder
    params = autoencoder.init_params(np.random.default_rng(0), dim=DIM, n_latent=LATENT, hidden=HIDDEN)
    return autoencoder, on.put(random_tree(paint, params, scale=0.5)), on.put(painted(paint, (n, DIM)))


def fitted(on, paint, n):
    """Forty steps with nothing held out, so that no comparison of losses can branch."""
    x = on.put(painted(paint, (n, DIM)) + 3.0)
    return (on.package.representation.autoencoder.fit(x, n_latent=LATENT, rng=on.rng(3), hidden=HIDDEN,
                                                      batch_size=5, max_epochs=10, validation_fraction=0.0),
            x)


def without_functions(model):
    return model._replace(activation=model.activation.name)


@case("representation.autoencoder.init_params", sizes=(1, 7))
def _(on, paint, n):
    init_params = on.package.representation.autoencoder.init_params
    bad = ({"dim": 0}, {"n_latent": 1.5}, {"hidden": (4, 0)})
    return init_params(on.rng(1), dim=n, n_latent=2, hidden=(4, 3)), [
        error_of(init_params, on.rng(1), **{"dim": 3, "n_latent": 2} | settings) for settings in bad]


@case("representation.autoencoder.encode", terms=20, kernels=True)
def _(on, paint, n):
    autoencoder, params, x = setting(on, paint, n)
    return autoencoder.encode(params, x), error_of(autoencoder.encode, params, x[:, :3])


@case("representation.autoencoder.decode", terms=20, kernels=True)
def _(on, paint, n):
    autoencoder, params, x = setting(on, paint, n)
    return autoencoder.decode(params, x[:, :LATENT]), error_of(autoencoder.decode, params, x)


@case("representation.autoencoder.reconstruct", terms=40, kernels=True)
def _(on, paint, n):
    autoencoder, params, x = setting(on, paint, n)
    return autoencoder.reconstruct(params, x)


@case("representation.autoencoder.reconstruct#more than a block", sizes=(2500,), terms=40, kernels=True)
def _(on, paint, n):
    autoencoder, params, x = setting(on, paint, n)
    return autoencoder.reconstruct(params, x)


@case("representation.autoencoder.loss", terms=lambda n: 40 + DIM * n, kernels=True)
def _(on, paint, n):
    autoencoder, params, x = setting(on, paint, n)
    return autoencoder.loss(params, x)


for name in ("TANH", "RELU", "IDENTITY"):
    @case(f"representation.autoencoder.loss_and_grad#{name}", terms=lambda n: 40 + DIM * n, kernels=True)
    def _(on, paint, n, name=name):
        autoencoder, params, x = setting(on, paint, n)
        return autoencoder.loss_and_grad(params, x, activation=getattr(on.package.nets.dense, name))


@case("representation.autoencoder.loss_and_grad#several tiles to a block", sizes=(5000,),
      terms=lambda n: 40 + DIM * n, kernels=True)
def _(on, paint, n):
    autoencoder, params, x = setting(on, paint, n)
    return autoencoder.loss(params, x), autoencoder.loss_and_grad(params, x)


@case("representation.autoencoder.loss_and_grad#digits", sizes=(1, 20), terms=lambda n: 300 + 64 * n,
      kernels=True)
def _(on, paint, n):
    """The network of the digits; and one without hidden layers."""
    autoencoder, found = on.package.representation.autoencoder, []
    for hidden in ((128, 64), ()):
        params = autoencoder.init_params(paint, dim=64, n_latent=2, hidden=hidden)
        params, x = on.put(random_tree(paint, params, scale=0.1)), on.put(painted(paint, (n, 64)))
        found += [autoencoder.loss(params, x), autoencoder.loss_and_grad(params, x),
                  autoencoder.reconstruct(params, x)]
    return found


@case("representation.autoencoder.fit", sizes=(20,), terms=4000, kernels=True)
def _(on, paint, n):
    return without_functions(fitted(on, paint, n)[0])


@case("representation.autoencoder.fit#bad input", sizes=(8,))
def _(on, paint, n):
    fit, x = on.package.representation.autoencoder.fit, painted(paint, (n, DIM))
    hole = x.copy()
    hole[2, 1] = np.nan
    bad = [error_of(fit, on.put(value), n_latent=2, rng=on.rng(0))
           for value in (x[0], x[:1], hole, np.ones((n, DIM)), x > 0)]
    return (bad, [error_of(fit, on.put(x), n_latent=2, rng=on.rng(0), **settings)
                  for settings in ({"hidden": (0,)}, {"batch_size": 0})])


@case("representation.autoencoder.Autoencoder.transform", sizes=(20,), terms=4000, kernels=True)
def _(on, paint, n):
    model, x = fitted(on, paint, n)
    return model.transform(x), error_of(model.transform, x[:, :3])


@case("representation.autoencoder.Autoencoder.inverse_transform", sizes=(20,), terms=4000, kernels=True)
def _(on, paint, n):
    model, x = fitted(on, paint, n)
    return model.inverse_transform(x[:, :LATENT]), error_of(model.inverse_transform, x)


@case("representation.autoencoder.Autoencoder.save", sizes=(20,), terms=4000)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        fitted(on, paint, n)[0].save(folder + "/autoencoder.npz")
        return on.put(
            without_functions(on.package.representation.autoencoder.load(folder + "/autoencoder.npz")))


@case("representation.autoencoder.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.representation.autoencoder.load, "no such file")
