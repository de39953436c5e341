from types import SimpleNamespace

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree


def setting(on, paint, n):
    """A GAN with TANH, so that no rounding can flip a unit."""
    gan, tanh = on.package.generative.gan, on.package.nets.dense.TANH
    params = gan.init_params(np.random.default_rng(0), dim=2, n_latent=3, hidden=(6,))
    params = on.put(random_tree(paint, params, scale=0.5))
    model = SimpleNamespace(
        critic_loss_and_grad=lambda p, x, z: gan.discriminator_loss_and_grad(p, x, z, activation=tanh),
        generator_loss_and_grad=lambda p, z: gan.generator_loss_and_grad(p, z, activation=tanh),
        critic_noise=lambda rng, n: (gan.draw_noise(params, rng, n),),
        generator_noise=lambda rng, n: (gan.draw_noise(params, rng, n),))
    return on.package.training.adversarial.train, model, params, on.put(painted(paint, (n, 2)))


for n_critic, averaging in ((1, 0.0), (3, 0.9), (50, 0.5)):
    @case(f"training.adversarial.train#{n_critic} to 1, averaging {averaging}", sizes=(45,), terms=4000)
    def _(on, paint, n, n_critic=n_critic, averaging=averaging):
        """Twenty steps of the critic: 45 samples, 5 batches an epoch, 4 epochs; fifty to one means no step of
        the generator."""
        train, model, params, x = setting(on, paint, n)
        return train(model, params, x, rng=np.random.default_rng(2), n_critic=n_critic, averaging=averaging,
                     learning_rate=1e-3, batch_size=8, n_epochs=4, schedule=on.package.training.optim.cosine)


@case("training.adversarial.train#bad input", sizes=(20,))
def _(on, paint, n):
    train, model, params, x = setting(on, paint, n)
    hole = painted(paint, (n, 2))
    hole[3] = np.nan
    bad = [{"x": x[:1]}, {"x": on.put(hole)}, {"batch_size": 0}, {"learning_rate": -1.0}, {"n_epochs": 2.5},
           {"n_critic": 0}, {"averaging": 1.0}, {"beta1": 1.0}, {"beta2": -0.5}]
    return [error_of(train, model, params, settings.pop("x", x), rng=np.random.default_rng(0), **settings)
            for settings in bad]
