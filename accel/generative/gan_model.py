"""Fitted GANs: the objects that `generative.gan.fit` and `generative.wgan.fit` return.

The mathematics is in `reference.generative.gan_model`. Same values, on the device and in the dtype of the
data.

Example
-------
>>> import numpy as np
>>> from accel.generative import wgan
>>> x = np.random.default_rng(0).standard_normal((60, 2)) + [3.0, 5.0]
>>> model = wgan.fit(x, rng=np.random.default_rng(1), n_latent=2, hidden=(4,), n_epochs=1)
>>> found = model.reconstruct(x[:5], np.random.default_rng(2), n_steps=3)
>>> found.x.shape, found.score.shape, model.sample(np.random.default_rng(2), 7).shape
((5, 2), (5,), (7, 2))
"""
from accel.device import array_module
from accel.generative import anomaly
from accel.generative.generator import sample
from accel.nets import fitted
from accel.nets._help import described
from accel.preprocessing.scaling import scaled
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["Gan", "Wgan"]
__all__ += SHARED

documented = described("""
rng : Generator
n : int
    Number of draws, zero or more.
x : (M, D) float
    Objects, in the units of the data.
balance, n_steps, learning_rate
    As for `generative.anomaly.invert`.
n_starts : int
    Starts of the search for each object, drawn by rng.
""", raises="If an argument is not as above.")


def unscaled(model, x):
    """(1): samples x′, which are overwritten, in the units of the data."""
    x *= model.scale
    x += model.mean
    return x


class Gan(fitted.FittedNetwork):
    """A fitted GAN; its history has "discriminator_loss" and "generator_loss", the means of each epoch."""
    __slots__ = ()
    kind = "gan"

    @documented
    def sample(self, rng: Rng, n: int) -> Array:
        """n draws, (n, D), in the units of the data."""
        return unscaled(self, sample(self.params, rng, n, activation=self.activation))


class Wgan(fitted.FittedNetwork):
    """A fitted WGAN; its history has "critic_loss" and "generator_loss", the means of each epoch."""
    __slots__ = ()
    kind = "wgan"

    @documented
    def sample(self, rng: Rng, n: int) -> Array:
        """n draws, (n, D), in the units of the data."""
        return unscaled(self, sample(self.params, rng, n, activation=self.activation))

    @documented
    def reconstruct(self, x: Array, rng: Rng, *, balance: float = 0.9, n_starts: int = 4, n_steps: int = 200,
                    learning_rate: float = 0.1) -> anomaly.Reconstruction:
        """The best reconstruction of each object, see `generative.anomaly`, in the units of the data."""
        x, first = checks.as_array("x", x, ("M", len(self.mean))), self.params["generator"][0]
        start = rng.standard_normal((len(x), checks.check_count("n_starts", n_starts), len(first) - 1))
        start = array_module(first).asarray(start, dtype=first.dtype)
        found = anomaly.invert(self.params, scaled(x, self.mean, self.scale), start, balance=balance,
                               n_steps=n_steps, learning_rate=learning_rate, activation=self.activation)
        return found._replace(x=self.mean + self.scale * found.x)                                       # (1)

    @documented
    def anomaly_score(self, x: Array, rng: Rng, *, balance: float = 0.9, n_starts: int = 4,
                      n_steps: int = 200, learning_rate: float = 0.1) -> Array:
        """The score of that reconstruction, (M,), in units of the data's scale s."""
        return self.reconstruct(x, rng, balance=balance, n_starts=n_starts, n_steps=n_steps,
                                learning_rate=learning_rate).score
