"""A fitted variational autoencoder: the object that `generative.vae.fit` returns, and its file.

The mathematics is in `reference.generative.vae_model`. Same values, on the device and in the dtype of the
data.

Example
-------
>>> import numpy as np
>>> from accel.generative import vae
>>> x = np.random.default_rng(0).standard_normal((60, 3))
>>> model = vae.fit(x, n_latent=1, rng=np.random.default_rng(1), hidden=(4,), max_epochs=2)
>>> model.sample(np.random.default_rng(2), 5).shape, model.elbo(np.random.default_rng(2), x).shape
((5, 3), (60,))
"""
import math
import os
from typing import NamedTuple

from accel.density import flows
from accel.generative.elbo import check_x, decode, elbo, encode, importance_weighted_bound, sizes
from accel.generative.likelihoods import BERNOULLI, Likelihood, check_likelihood, likelihood_named
from accel.nets._help import described, documented_load
from accel.preprocessing.scaling import Scaling, centre_and_scale, fit_scaling, scaled
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array, Params, Rng
from accel.runtime.tree import frozen

__all__ = []
SHARED = ["VAE", "load", "scale_data"]
__all__ += SHARED

documented = described("""
rng : Generator
x : (N, D) float
z : (N, L) float
    Latents.
context : (N, C) float, optional
    Labels or physical parameters, in their own units; None for a model without a context.
""", raises="If an array has another shape, or the context is missing or not asked for.")


class VAE(NamedTuple):
    """A fitted variational autoencoder.

    Attributes
    ----------
    params : tree
        Frozen.
    mean : (D,) float
    scale : float
        m and s of (1), in the units of x.
    context_scaling : Scaling or None
        Of the context; None where there is none.
    likelihood : Likelihood
    history : dict of list of float
        The losses of each epoch, in nats of x′, see `training.minibatch`.
    """
    params: Params
    mean: Array
    scale: float
    context_scaling: Scaling
    likelihood: Likelihood
    history: dict

    @documented
    def transform(self, x: Array, context: Array | None = None) -> Array:
        """The means of q(z|x, c), (N, L)."""
        return encode(self.params, *self._scaled(x, context)).mean

    @documented
    def inverse_transform(self, z: Array, context: Array | None = None) -> Array:
        """The means of x given z, (N, D)."""
        f = decode(self.params, z, self._standardised(context))
        return self._unscaled(self.likelihood.mean(f))

    def sample(self, rng: Rng, n: int, context: Array | None = None, *, mean_only: bool = False) -> Array:
        """n draws of x, (n, D); with a context, n for each of its rows, (M, n, D).

        Parameters
        ----------
        rng : Generator
        n : int
            Zero or more.
        context : (M, C) float, optional
            As for the other methods.
        mean_only : bool
            Leave the decoder's noise out: means of x at random z.

        Raises
        ------
        ValueError
            If n is no count, or the context is missing, not asked for, or not (M, C).
        """
        dim, n_latent, context_dim = sizes(self.params)
        z, context, shape = flows.draw_base(rng, n, n_latent, context_dim, self._standardised(context))
        f, a = decode(self.params, z, context), self.params.get("log_var")
        x = self.likelihood.mean(f) if mean_only else self.likelihood.draw(rng, f, a)
        return self._unscaled(x.reshape(*shape[:-1], dim))

    @documented
    def elbo(self, rng: Rng, x: Array, context: Array | None = None) -> Array:
        """The bound on log p(x|c) from one draw of z for each sample, (N,), in nats and the units of x."""
        x, context = self._scaled(x, context)
        noise = rng.standard_normal((len(x), sizes(self.params)[1]))
        bound = elbo(self.params, x, noise, context, likelihood=self.likelihood)
        bound -= self._log_volume()
        return bound

    def bound(self, rng: Rng, n: int, x: Array, context: Array | None = None) -> Array:
        """The importance-weighted bound on log p(x|c), (N,), in nats and the units of x.

        Parameters
        ----------
        rng : Generator
        n : int
            Draws of z for each sample.
        x : (N, D) float
        context : (N, C) float, optional
            As for the other methods.

        Raises
        ------
        ValueError
            If an array has another shape, n is no count, or the context is missing or not asked for.
        """
        x, context = self._scaled(x, context)
        noise = rng.standard_normal((checks.check_count("n", n), len(x), sizes(self.params)[1]))
        bound = importance_weighted_bound(self.params, x, noise, context, likelihood=self.likelihood)
        return bound - self._log_volume()

    def save(self, path: str | os.PathLike) -> None:
        """Write to a .npz file, which either package loads.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        persistence.save(path, "vae", describe(self))

    def __reduce__(self):
        return restore, (describe(self),)

    def _moved(self, move):
        """For `device.put`."""
        scaling = self.context_scaling
        return self._replace(params=move(self.params), mean=move(self.mean),
                             context_scaling=scaling and move(scaling))

    def _scaled(self, x, context):
        x, context = check_x(self.params, x, context)
        return scaled(x, self.mean, self.scale), self._standardised(context)

    def _unscaled(self, x):
        """(1) for x′, which is overwritten."""
        x *= self.scale
        x += self.mean
        return x

    def _standardised(self, context):
        if context is None or self.context_scaling is None:
            return context
        context = checks.as_array("context", context, ("M", len(self.context_scaling.mean)))
        return self.context_scaling.apply(context)

    def _log_volume(self):
        return len(self.mean) * math.log(self.scale)                    # D log s


@documented_load
def load(path: str | os.PathLike) -> VAE:
    """The autoencoder that `VAE.save` wrote."""
    return restore(persistence.load(path, "vae"))


def describe(model):
    """The fields of a VAE as plain values, its likelihood by name."""
    scaling, name = model.context_scaling, likelihood_named(model.likelihood.name).name
    return {**model._asdict(), "context_scaling": scaling and scaling._asdict(), "likelihood": name}


def restore(description):
    """The VAE that was described, its parameters frozen."""
    scaling = description["context_scaling"]
    return VAE(**{**description, "params": frozen(description["params"]),
                  "context_scaling": scaling and Scaling(**scaling),
                  "likelihood": likelihood_named(description["likelihood"])})


def scale_data(x, context, likelihood):
    """What the networks see of x, and of the context where there is one; m, s and the context's scaling."""
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)
    check_likelihood(likelihood)
    if likelihood is BERNOULLI:
        outside = int(((x < 0) | (x > 1)).sum())
        if outside:
            raise ValueError("x: expected numbers between 0 and 1 for a Bernoulli likelihood, "
                             f"got {outside} others")
        mean, scale = mean * 0, 1.0
    if context is None:
        return (scaled(x, mean, scale),), mean, scale, None
    context = checks.as_array("context", context, (len(x), "C"))
    checks.check_finite("context", context)
    context_scaling = fit_scaling(context)
    return (scaled(x, mean, scale), context_scaling.apply(context)), mean, scale, context_scaling
