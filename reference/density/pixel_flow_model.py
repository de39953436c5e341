"""A fitted flow on pixels: the object that `density.pixel_flow.fit` returns, and its file.

Example
-------
>>> import numpy as np
>>> from reference.density import pixel_flow
>>> x = np.random.default_rng(0).integers(0, 4, (60, 4)) * 1.0
>>> flow = pixel_flow.fit(x, rng=np.random.default_rng(1), levels=4, n_transforms=2, hidden=(4,),
...                       max_epochs=1)
>>> flow.sample(np.random.default_rng(2), 3).shape
(3, 4)
"""
from dataclasses import dataclass

import numpy as np

from reference.density import maf, nsf, realnvp
from reference.preprocessing import pixels
from reference.preprocessing.scaling import Scaling
from reference.runtime import checks, persistence
from reference.runtime.protocols import Array, Params, Rng
from reference.runtime.tree import frozen

__all__ = []
SHARED = ["DENSITIES", "PixelFlow", "check_images", "load"]
__all__ += SHARED

DENSITIES = {"maf": maf, "nsf": nsf, "realnvp": realnvp}


@dataclass(frozen=True, eq=False)
class PixelFlow:
    """A fitted flow on pixels.

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
        """log p(u|c) in nats, (N,); −inf outside the unit cube.

        Parameters
        ----------
        u : (N, D) float
            Images, noise included, in the unit cube.
        context : (N, C) float, optional
            What is known of each, where the flow was given it.
        """
        u = checks.as_array("u", u, ("N", len(self.order)))[:, self.order]
        y, log_det = pixels.to_real(np.clip(u, 0, 1), alpha=self.alpha)
        log_q = self.density.log_prob(self.params, self.scaling.apply(y), self._standardised(context))
        return np.where(np.all((u >= 0) & (u <= 1), axis=1), log_q + self.scaling.log_det + log_det,
                        -np.inf)  # (4)

    def bound(self, rng: Rng, x: Array, context: Array | None = None, *, n_draws: int = 1) -> Array:
        """The bound (5) on log P(x|c) in nats, (N,): the mean over n_draws of ε for each image.

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
        x = check_levels(checks.as_array("x", x, ("N", len(self.order))), self.levels)
        checks.check_count("n_draws", n_draws)
        log_p = [self.log_prob(pixels.dequantise(x, rng.random(x.shape), levels=self.levels), context)
                 for _ in range(n_draws)]
        return np.mean(np.stack(log_p), axis=0) - x.shape[1] * np.log(self.levels)                # (5)

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
        u, _ = pixels.from_real(self.scaling.undo(v).reshape(-1, len(self.order)), alpha=self.alpha)
        return pixels.quantise(u[:, np.argsort(self.order)], levels=self.levels).reshape(v.shape)  # (7)

    def save(self, path: str) -> None:
        """Write to a .npz file that either package loads."""
        persistence.save(path, "pixel flow", describe(self))

    def __reduce__(self):
        return restore, (describe(self),)

    def _standardised(self, context):
        """c′ of (3), or none."""
        if context is None:
            return None
        return self.context_scaling.apply(checks.as_array("context", context,
                                                          ("N", len(self.context_scaling.mean))))


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


def check_images(x, context, order, levels, density):
    """x, the context (N, C), C = 0 where there is none, and the order as an array, or a ValueError."""
    if density not in DENSITIES.values():
        raise ValueError(f"density: expected a module, one of {', '.join(DENSITIES)} of this package, got "
                         f"{density!r}")
    x = check_levels(checks.as_array("x", x, ("N", "D")), levels)
    checks.check_count("x: number of rows", len(x), least=2)
    if context is None:
        context = np.zeros((len(x), 0), x.dtype)
    context = checks.as_array("context", context, (len(x), "C"))
    order = np.arange(x.shape[1]) if order is None else np.array(order)
    if order.shape != x.shape[1:] or not np.array_equal(np.sort(order), np.arange(x.shape[1])):
        raise ValueError(f"order: expected each of 0 … {x.shape[1] - 1} once, got {order.tolist()}")
    return x, context, order


def check_levels(x, levels):
    """x, or a ValueError unless it holds only whole numbers 0 … Q−1."""
    checks.check_count("levels", levels, least=2)
    checks.check_finite("x", x)
    wrong = (x != np.floor(x)) | (x < 0) | (x >= levels)
    if wrong.any():
        raise ValueError(f"x: expected whole numbers from 0 to {levels - 1}, got {x[wrong][0]:g} among them")
    return x
