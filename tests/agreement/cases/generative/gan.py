import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, LATENT, HIDDEN = 3, 2, (6, 5)
TERMS = 60


def setting(on, paint, n):
    gan = on.package.generative.gan
    params = gan.init_params(np.random.default_rng(0), dim=DIM, n_latent=LATENT, hidden=HIDDEN)
    return (gan, on.put(random_tree(paint, params, scale=0.5)), on.put(painted(paint, (n, DIM))),
            on.put(painted(paint, (n, LATENT))))


def fitted(on, paint, n):
    """Twelve steps of each network; TANH, so that no rounding can flip a unit."""
    x = on.put(painted(paint, (n, DIM)) + 3.0)
    return on.package.generative.gan.fit(x, rng=on.rng(3), n_latent=LATENT, hidden=HIDDEN,
                                         activation=on.package.nets.dense.TANH, batch_size=5, n_epochs=3,
                                         averaging=0.9)


def without_functions(model):
    return model._replace(activation=model.activation.name)


@case("generative.gan.init_params", sizes=(1, 7))
def _(on, paint, n):
    init_params = on.package.generative.gan.init_params
    bad = ({"dim": 0}, {"n_latent": 1.5}, {"hidden": (4, 0)})
    return init_params(on.rng(1), dim=n, n_latent=2, hidden=(4, 3)), [
        error_of(init_params, on.rng(1), **{"dim": 3, "n_latent": 2} | settings) for settings in bad]


@case("generative.gan.draw_noise", sizes=(1, 7))
def _(on, paint, n):
    gan, params, *_ = setting(on, paint, n)
    return gan.draw_noise(params, np.random.default_rng(1), n), gan.draw_noise(params, on.rng(1), n)


@case("generative.gan.generate", terms=20)
def _(on, paint, n):
    gan, params, _, z = setting(on, paint, n)
    return gan.generate(params, z), error_of(gan.generate, params, z[:, :1])


@case("generative.gan.logits", terms=20)
def _(on, paint, n):
    gan, params, x, _ = setting(on, paint, n)
    return gan.logits(params, x), error_of(gan.logits, params, x[:, :1])


@case("generative.gan.discriminator_loss", terms=lambda n: n + TERMS)
def _(on, paint, n):
    gan, params, x, z = setting(on, paint, n)
    return gan.discriminator_loss(params, x, z)


@case("generative.gan.generator_loss", terms=lambda n: n + TERMS)
def _(on, paint, n):
    gan, params, _, z = setting(on, paint, n)
    return gan.generator_loss(params, z)


@case("generative.gan.minimax_generator_loss", terms=lambda n: n + TERMS)
def _(on, paint, n):
    gan, params, _, z = setting(on, paint, n)
    return gan.minimax_generator_loss(params, z)


for name in ("TANH", "RELU", "LEAKY_RELU", "IDENTITY"):
    @case(f"generative.gan.discriminator_loss_and_grad#{name}", terms=lambda n: n + TERMS)
    def _(on, paint, n, name=name):
        gan, params, x, z = setting(on, paint, n)
        return gan.discriminator_loss_and_grad(params, x, z, activation=getattr(on.package.nets.dense, name))

    @case(f"generative.gan.generator_loss_and_grad#{name}", terms=lambda n: n + TERMS)
    def _(on, paint, n, name=name):
        gan, params, _, z = setting(on, paint, n)
        return gan.generator_loss_and_grad(params, z, activation=getattr(on.package.nets.dense, name))

    @case(f"generative.gan.minimax_generator_loss_and_grad#{name}", terms=lambda n: n + TERMS)
    def _(on, paint, n, name=name):
        gan, params, _, z = setting(on, paint, n)
        return gan.minimax_generator_loss_and_grad(params, z, activation=getattr(on.package.nets.dense, name))


@case("generative.gan.discriminator_loss_and_grad#more data than samples", sizes=(9,), terms=TERMS)
def _(on, paint, n):
    gan, params, x, z = setting(on, paint, n)
    return (gan.discriminator_loss_and_grad(params, x, z[:4]),
            [error_of(gan.discriminator_loss_and_grad, params, *wrong)
             for wrong in ((x[:, :2], z), (x, z[:, :1]), (x[0], z))])


@case("generative.gan.discriminator_loss_and_grad#saturated", sizes=(5,), terms=TERMS)
def _(on, paint, n):
    """Logits of ±10⁴: nothing overflows."""
    gan, params, x, z = setting(on, paint, n)
    params["discriminator"][-1][0] += 1e4
    high = gan.discriminator_loss_and_grad(params, x, z), gan.generator_loss(params, z)
    high = on.package.runtime.tree.tree_map(lambda leaf: 1 * leaf, high)
    params["discriminator"][-1][0] -= 2e4
    return (high, gan.discriminator_loss_and_grad(params, x, z), gan.generator_loss(params, z),
            gan.minimax_generator_loss(params, z))


@case("generative.gan.sample", sizes=(1, 7), terms=20)
def _(on, paint, n):
    gan, params, *_ = setting(on, paint, n)
    return gan.sample(params, on.rng(2), n), error_of(gan.sample, params, on.rng(2), -1)


@case("generative.gan.fit", sizes=(20,), terms=4000)
def _(on, paint, n):
    return without_functions(fitted(on, paint, n))


@case("generative.gan.fit#bad input", sizes=(8,))
def _(on, paint, n):
    fit, x = on.package.generative.gan.fit, painted(paint, (n, DIM))
    hole = x.copy()
    hole[2, 1] = np.nan
    bad = [error_of(fit, on.put(value), rng=on.rng(0))
           for value in (x[0], x[:1], hole, np.ones((n, DIM)), x > 0)]
    settings = ({"hidden": (0,)}, {"n_latent": 0}, {"batch_size": 0}, {"n_critic": 0}, {"averaging": 1.0},
                {"beta1": -0.1}, {"n_epochs": 0})
    return bad, [error_of(fit, on.put(x), rng=on.rng(0), **setting) for setting in settings]


@case("generative.gan.Gan.sample", sizes=(20,), terms=4000)
def _(on, paint, n):
    return fitted(on, paint, n).sample(on.rng(4), 6)


@case("generative.gan.Gan.save", sizes=(20,), terms=4000)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        fitted(on, paint, n).save(folder + "/gan.npz")
        return on.put(without_functions(on.package.generative.gan.load(folder + "/gan.npz")))


@case("generative.gan.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.generative.gan.load, "no such file")
