"""A fitted flow on pixels: the object that `density.pixel_flow.fit` returns, and its file.

Example
-------
>>> import numpy as np
>>> from accel.density import pixel_flow
>>> x = np.random.default_rng(0).integers(0, 4, (60, 4)) * 1.0
>>> flow = pixel_flow.fit(x, rng=np.random.default_rng(1), levels=4, n_transforms=2, hidden=(4,),
...                       max_epochs=1)
>>> flow.sample(np.random.default_rng(2), 3).shape
(3, 4)
"""
import math
from dataclasses import dataclass

import numpy as np

from accel.device import array_module, to_host
from accel.density import maf, nsf, realnvp
from accel.preprocessing import pixels
from accel.preprocessing.scaling import Scaling
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array, Params, Rng
from accel.runtime.tree import frozen

__all__ = []
SHARED = ["DENSITIES", "PixelFlow", "check_images", "load", "take", "like"]
__all__ += SHARED

DENSITIES = {"maf": maf, "nsf": nsf, "realnvp": realnvp}


@dataclass(frozen=True, eq=False)
class PixelFlow:
    """A fitted flow on pixels; its order is kept on the host.

    Attributes
    ----------
    density : module
        The flow's: `realnvp`, `maf` or `nsf`.
    params : dict
        Of the flow.
    scaling, context_scaling : Scaling
        m, s and m_c, s_c of (3), both in the order in which the flow sees them; without a context the second
        is empty.
    order : (D,) int
        π.
    levels : int
        Q.
    alpha : float
    validation_bound : float
        The mean of (5) over the images held out in training, one ε for each, in nats; NaN when none were.
    history : dict
        The losses of the training, epoch by epoch.
    """
    density: object
    params: Params
    scaling: Scaling
    context_scaling: Scaling
    order: np.ndarray
    levels: int
    alpha: float
    validation_bound: float
    history: dict

    def log_prob(self, u: Array, context: Array | None = None) -> Array:
        """log p(u|c) in nats, (N,), for u (N, D); −inf outside the unit cube.

        Parameters
        ----------
        u : (N, D) float
            Images, noise included, in the unit cube.
        context : (N, C) float, optional
            What is known of each, where the flow was given it.
        """
        u = take(like(self.scaling.mean, checks.as_array("u", u, ("N", len(self.order)))), self.order)
        xp = array_module(u)
        inside = (abs(u - 0.5) <= 0.5).all(axis=1)
        v, log_p = pixels.to_real(xp.clip(u, 0, 1, out=u), alpha=self.alpha)
        v -= self.scaling.mean
        v /= self.scaling.std
        log_p += self.density.log_prob(self.params, v, self._standardised(context))
        log_p += self.scaling.log_det
        return xp.where(inside, log_p, -np.inf)

    def bound(self, rng: Rng, x: Array, context: Array | None = None, *, n_draws: int = 1) -> Array:
        """The bound (5) on log P(x|c) in nats, (N,), for levels x (N, D): the mean over n_draws of ε for
        each image.

        Parameters
        ----------
        rng : Generator
            Draws ε.
        x : (N, D) float
            Whole numbers 0 … Q−1.
        context : (N, C) float, optional
            What is known of each image, where the flow was given it.
        n_draws : int
            Draws of ε for each image.
        """
        x = like(self.scaling.mean,
                 check_levels(checks.as_array("x", x, ("N", len(self.order))), self.levels))
        checks.check_count("n_draws", n_draws)
        total = 0
        for _ in range(n_draws):
            total = total + self.log_prob(pixels.dequantise(x, rng.random(x.shape), levels=self.levels),
                                          context)
        total /= n_draws
        total -= x.shape[1] * math.log(self.levels)
        return total

    def sample(self, rng: Rng, n: int, context: Array | None = None) -> Array:
        """n images of levels, (n, D); with a context of M rows, n for each: (M, n, D).

        Parameters
        ----------
        rng : Generator
            Draws the base density's normals.
        n : int
            Images, for each row of the context where there is one.
        context : (M, C) float, optional
            What is known of each, where the flow was given it.
        """
        v = self.density.sample(self.params, rng, n, self._standardised(context))
        y = self.scaling.undo(like(self.scaling.mean, v)).reshape(-1, len(self.order))
        u, _ = pixels.from_real(y, alpha=self.alpha)
        return pixels.quantise(take(u, np.argsort(self.order)), levels=self.levels).reshape(v.shape)

    def save(self, path: str) -> None:
        """Write to a .npz file that either package loads."""
        persistence.save(path, "pixel flow", describe(self))

    def __reduce__(self):
        return restore, (describe(self),)

    def _standardised(self, context):
        """c′ of (3), or none."""
        if context is None:
            return None
        context = checks.as_array("context", context, ("N", len(self.context_scaling.mean)))
        return self.context_scaling.apply(like(self.scaling.mean, context))


def describe(flow):
    """The flow as a tree of plain values and arrays."""
    names = {module: name for name, module in DENSITIES.items()}
    return vars(flow) | {"density": names[flow.density], "scaling": flow.scaling._asdict(),
                         "context_scaling": flow.context_scaling._asdict()}


def restore(tree):
    """The flow that `describe` described."""
    return PixelFlow(**tree | {"density": DENSITIES[tree["density"]], "params": frozen(tree["params"]),
                               "scaling": Scaling(**tree["scaling"]),
                               "context_scaling": Scaling(**tree["context_scaling"])})


def load(path: str) -> PixelFlow:
    """The flow that `PixelFlow.save` wrote."""
    return restore(persistence.load(path, "pixel flow"))


def take(x, order):
    """The columns of x in that order of the host's."""
    xp = array_module(x)
    return xp.take(x, xp.asarray(order), axis=1)


def like(model, x):
    """x where the model lives and in its dtype."""
    return array_module(model).asarray(x, dtype=model.dtype)


def check_images(x, context, order, levels, density):
    """x, the context (N, C), C = 0 where there is none, and the order as a host array, or a ValueError."""
    if density not in DENSITIES.values():
        raise ValueError(f"density: expected a module, one of {', '.join(DENSITIES)} of this package, got "
                         f"{density!r}")
    x = check_levels(checks.as_array("x", x, ("N", "D")), levels)
    checks.check_count("x: number of rows", len(x), least=2)
    xp = array_module(x)
    if context is None:
        context = xp.zeros((len(x), 0), x.dtype)
    else:
        context = like(x, checks.as_array("context", context, (len(x), "C")))
    order = np.arange(x.shape[1]) if order is None else np.array(to_host(order))
    if order.shape != x.shape[1:] or not np.array_equal(np.sort(order), np.arange(x.shape[1])):
        raise ValueError(f"order: expected each of 0 … {x.shape[1] - 1} once, got {order.tolist()}")
    return x, context, order


def check_levels(x, levels):
    """x, or a ValueError unless it holds only whole numbers 0 … Q−1."""
    checks.check_count("levels", levels, least=2)
    checks.check_finite("x", x)
    wrong = (x != array_module(x).floor(x)) | (x < 0) | (x >= levels)
    if bool(wrong.any()):
        raise ValueError(f"x: expected whole numbers from 0 to {levels - 1}, got "
                         f"{to_host(x)[to_host(wrong)][0]:g} among them")
    return x
