import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

# odd sides: one pixel is lost on the way down, and regained
SHAPE, LATENT, CHANNELS, HIDDEN = (2, 7, 5), 2, (3, 4), (6,)
SIZES = (1, 2, 7, 31)


def setting(on, paint, n, channels=CHANNELS):
    conv_autoencoder = on.package.representation.conv_autoencoder
    params = conv_autoencoder.init_params(np.random.default_rng(0), shape=SHAPE, n_latent=LATENT,
                                          channels=channels, hidden=HIDDEN)
    return (conv_autoencoder, on.put(random_tree(paint, params, scale=0.5)),
            on.put(painted(paint, (n, *SHAPE))))


def fitted(on, paint, n):
    """Twenty steps with nothing held out, so that no comparison of losses can branch."""
    x = on.put(painted(paint, (n, *SHAPE)) + 3.0)
    return (on.package.representation.conv_autoencoder.fit(x, n_latent=LATENT, rng=on.rng(3),
                                                           channels=CHANNELS, hidden=HIDDEN, batch_size=5,
                                                           max_epochs=5, validation_fraction=0.0), x)


def without_functions(model):
    return model._replace(activation=model.activation.name)


@case("representation.conv_autoencoder.init_params", sizes=(1, 3))
def _(on, paint, n):
    init_params = on.package.representation.conv_autoencoder.init_params
    bad = ({"shape": (1, 8)}, {"shape": (1, 8, 3)}, {"channels": ()}, {"n_latent": 0}, {"hidden": (0,)},
           {"channels": (4, 1.5)})
    return (init_params(on.rng(1), shape=(n, 6, 4), n_latent=2, channels=(2, 3), hidden=(4,)),
            [error_of(init_params, on.rng(1), **{"shape": (1, 8, 8), "n_latent": 2} | settings)
             for settings in bad])


@case("representation.conv_autoencoder.encode", sizes=SIZES, terms=60)
def _(on, paint, n):
    conv_autoencoder, params, x = setting(on, paint, n)
    return conv_autoencoder.encode(params, x), error_of(conv_autoencoder.encode, params, x[:, :1])


@case("representation.conv_autoencoder.decode", sizes=SIZES, terms=60)
def _(on, paint, n):
    conv_autoencoder, params, x = setting(on, paint, n)
    z = x[:, 0, 0, :LATENT]
    return conv_autoencoder.decode(params, z), error_of(conv_autoencoder.decode, params, x)


@case("representation.conv_autoencoder.reconstruct", sizes=SIZES, terms=120)
def _(on, paint, n):
    conv_autoencoder, params, x = setting(on, paint, n)
    return conv_autoencoder.reconstruct(params, x)


@case("representation.conv_autoencoder.reconstruct#more than a block", sizes=(300,), terms=120)
def _(on, paint, n):
    conv_autoencoder, params, x = setting(on, paint, n)
    return conv_autoencoder.reconstruct(params, x)


@case("representation.conv_autoencoder.loss", sizes=SIZES, terms=lambda n: 120 + 70 * n)
def _(on, paint, n):
    conv_autoencoder, params, x = setting(on, paint, n)
    return conv_autoencoder.loss(params, x)


for name in ("TANH", "RELU", "IDENTITY"):
    @case(f"representation.conv_autoencoder.loss_and_grad#{name}", sizes=SIZES, terms=lambda n: 120 + 70 * n)
    def _(on, paint, n, name=name):
        conv_autoencoder, params, x = setting(on, paint, n)
        return conv_autoencoder.loss_and_grad(params, x, activation=getattr(on.package.nets.dense, name))


@case("representation.conv_autoencoder.loss_and_grad#one convolution", sizes=(7,),
      terms=lambda n: 120 + 70 * n)
def _(on, paint, n):
    conv_autoencoder, params, x = setting(on, paint, n, channels=(3,))
    return conv_autoencoder.loss_and_grad(params, x)


@case("representation.conv_autoencoder.fit", sizes=(20,), terms=8000)
def _(on, paint, n):
    return without_functions(fitted(on, paint, n)[0])


@case("representation.conv_autoencoder.fit#bad input", sizes=(8,))
def _(on, paint, n):
    fit, x = on.package.representation.conv_autoencoder.fit, painted(paint, (n, *SHAPE))
    hole = x.copy()
    hole[2, 1, 0, 0] = np.nan
    bad = [error_of(fit, on.put(value), n_latent=2, rng=on.rng(0))
           for value in (x[0], x[:1], hole, np.ones(x.shape), x[:, :, :3])]
    return (bad, [error_of(fit, on.put(x), n_latent=2, rng=on.rng(0), **settings)
                  for settings in ({"channels": (0,)}, {"batch_size": 0})])


@case("representation.conv_autoencoder.ConvAutoencoder.transform", sizes=(10,), terms=4000)
def _(on, paint, n):
    model, x = fitted(on, paint, n)
    return model.transform(x), error_of(model.transform, x[:, :1])


@case("representation.conv_autoencoder.ConvAutoencoder.inverse_transform", sizes=(10,), terms=4000)
def _(on, paint, n):
    model, x = fitted(on, paint, n)
    return model.inverse_transform(x[:, 0, 0, :LATENT]), error_of(model.inverse_transform, x)


@case("representation.conv_autoencoder.ConvAutoencoder.save", sizes=(10,), terms=4000)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        fitted(on, paint, n)[0].save(folder + "/conv_autoencoder.npz")
        return on.put(without_functions(
            on.package.representation.conv_autoencoder.load(folder + "/conv_autoencoder.npz")))


@case("representation.conv_autoencoder.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.representation.conv_autoencoder.load, "no such file")
