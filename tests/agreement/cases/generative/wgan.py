import tempfile

import numpy as np

from tests.agreement.registry import SIZES, case, error_of, painted, random_tree

DIM, LATENT, HIDDEN = 3, 2, (7, 5)
TERMS = 200


def setting(on, paint, n):
    wgan = on.package.generative.wgan
    params = wgan.init_params(np.random.default_rng(0), dim=DIM, n_latent=LATENT, hidden=HIDDEN)
    return wgan, on.put(random_tree(paint, params, scale=0.5)), [on.put(a) for a in (
        painted(paint, (n, DIM)), painted(paint, (n, LATENT)), paint.uniform(0, 1, (n, 1)))]


def fitted(on, paint, n):
    """Twelve steps of the critic and six of the generator; TANH, so that no rounding can flip a unit."""
    x = on.put(painted(paint, (n, DIM)) + 3.0)
    return (on.package.generative.wgan.fit(x, rng=on.rng(3), n_latent=LATENT, hidden=HIDDEN,
                                           activation=on.package.nets.dense.TANH, batch_size=5, n_epochs=3,
                                           n_critic=2), x)


def comparable(on, model):
    """Without functions, and the history in one array: a loss that passes through zero is judged on the scale
    of all of them."""
    history = on.put(np.array([model.history["critic_loss"], model.history["generator_loss"]]))
    return model._replace(activation=model.activation.name, history=history)


@case("generative.wgan.init_params", sizes=(1, 7))
def _(on, paint, n):
    init_params = on.package.generative.wgan.init_params
    bad = ({"dim": 0}, {"n_latent": 1.5}, {"hidden": ()})
    return init_params(on.rng(1), dim=n, n_latent=2, hidden=(4, 3)), [
        error_of(init_params, on.rng(1), **{"dim": 3, "n_latent": 2} | settings) for settings in bad]


@case("generative.wgan.draw_noise", sizes=(1, 7))
def _(on, paint, n):
    wgan, params, _ = setting(on, paint, n)
    return wgan.draw_noise(params, np.random.default_rng(1), n), wgan.draw_noise(params, on.rng(1), n)


@case("generative.wgan.critic", terms=20)
def _(on, paint, n):
    wgan, params, (x, *_) = setting(on, paint, n)
    return wgan.critic(params, x), error_of(wgan.critic, params, x[:, :1])


@case("generative.wgan.critic_loss", terms=lambda n: n + TERMS)
def _(on, paint, n):
    wgan, params, noise = setting(on, paint, n)
    return wgan.critic_loss(params, *noise)


@case("generative.wgan.generator_loss", terms=lambda n: n + TERMS)
def _(on, paint, n):
    wgan, params, (_, z, _) = setting(on, paint, n)
    return wgan.generator_loss(params, z)


for name in ("TANH", "RELU", "LEAKY_RELU", "IDENTITY"):
    # a linear critic has one slope everywhere, and float32 sums of 153 equal terms drift
    @case(f"generative.wgan.critic_loss_and_grad#{name}", sizes=SIZES[:4] if name == "IDENTITY" else SIZES,
          terms=lambda n: n + TERMS)
    def _(on, paint, n, name=name):
        wgan, params, noise = setting(on, paint, n)
        return wgan.critic_loss_and_grad(params, *noise, penalty=7.0,
                                         activation=getattr(on.package.nets.dense, name))

    @case(f"generative.wgan.generator_loss_and_grad#{name}", terms=lambda n: n + TERMS)
    def _(on, paint, n, name=name):
        wgan, params, (_, z, _) = setting(on, paint, n)
        return wgan.generator_loss_and_grad(params, z, activation=getattr(on.package.nets.dense, name))


@case("generative.wgan.critic_loss_and_grad#bad input", sizes=(5,))
def _(on, paint, n):
    wgan, params, (x, z, u) = setting(on, paint, n)
    return [error_of(wgan.critic_loss_and_grad, params, *wrong)
            for wrong in ((x[:, :2], z, u), (x[:4], z, u), (x, z[:, :1], u), (x, z, u[:4]), (x, z, u[:, 0]))]


@case("generative.wgan.sample", sizes=(1, 7), terms=20)
def _(on, paint, n):
    wgan, params, _ = setting(on, paint, n)
    return wgan.sample(params, on.rng(2), n)


@case("generative.wgan.fit", sizes=(20,), terms=8000)
def _(on, paint, n):
    return comparable(on, fitted(on, paint, n)[0])


@case("generative.wgan.fit#bad input", sizes=(8,))
def _(on, paint, n):
    fit, x = on.package.generative.wgan.fit, painted(paint, (n, DIM))
    hole = x.copy()
    hole[2, 1] = np.nan
    bad = [error_of(fit, on.put(value), rng=on.rng(0)) for value in (x[0], x[:1], hole, np.ones((n, DIM)))]
    return (bad, [error_of(fit, on.put(x), rng=on.rng(0), **setting)
                  for setting in ({"hidden": ()}, {"penalty": 0.0}, {"n_critic": 0})])


@case("generative.wgan.Wgan.sample", sizes=(20,), terms=8000)
def _(on, paint, n):
    return fitted(on, paint, n)[0].sample(on.rng(4), 6)


@case("generative.wgan.Wgan.reconstruct", sizes=(20,), terms=8000)
def _(on, paint, n):
    model, x = fitted(on, paint, n)
    bad = [error_of(model.reconstruct, *wrong, n_steps=1)
           for wrong in ((x[:, :2], on.rng(5)), (x[0], on.rng(5)))]
    return (model.reconstruct(x[:7], on.rng(5), n_starts=3, n_steps=5), bad,
            error_of(model.reconstruct, x, on.rng(5), n_starts=0))


@case("generative.wgan.Wgan.anomaly_score", sizes=(20,), terms=8000)
def _(on, paint, n):
    model, x = fitted(on, paint, n)
    return model.anomaly_score(x[:7], on.rng(5), n_starts=3, n_steps=5)


@case("generative.wgan.Wgan.save", sizes=(20,), terms=8000)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        fitted(on, paint, n)[0].save(folder + "/wgan.npz")
        return on.put(comparable(on, on.package.generative.wgan.load(folder + "/wgan.npz")))


@case("generative.wgan.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.generative.wgan.load, "no such file")
