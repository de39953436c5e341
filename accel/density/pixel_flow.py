"""Flow on pixels: an exact density of images with grey levels, of its own kind or given something else about them.

The mathematics is in `reference.density.pixel_flow`. Same values. Noise, logit and scaling have no parameters, so that the gradient
of the loss is that of the flow by hand, and what they add to its value is one number:

    loss = flow's loss − mean(∑ⱼ log|dyⱼ/duⱼ|) + ∑ⱼ log sⱼ + D log Q,     ∂/∂φ of all but the first = 0

The pixels are put in their order once per fit, and each step makes y and then v in the array that it drew u into.
"""
import math
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np

from accel.runtime import checks, persistence
from accel.training import minibatch, optim
from accel.preprocessing.scaling import Scaling, fit_scaling
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import frozen, tree_map
from accel.density import maf, nsf, realnvp
from accel.preprocessing import pixels
from accel.device import array_module, to_host

__all__ = ["PixelFlow", "loss", "loss_and_grad", "fit", "load"]

DENSITIES = {"maf": maf, "nsf": nsf, "realnvp": realnvp}


def loss(params, x, context, noise, *, density, levels, alpha, scaling):
    """(6) in nats, for pixels x (N, D) already in the order π, standardised context (N, C), C = 0 for none, and noise (N, D)."""
    v, added = to_flow(x, noise, levels, alpha, scaling)
    return density.loss(params, v, context if context.shape[1] else None) + added


def loss_and_grad(params, x, context, noise, *, density, levels, alpha, scaling):
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    value = write_grads(params, grads, x, context, noise, density=density, levels=levels, alpha=alpha, scaling=scaling)
    return value, plain(grads)


def write_grads(params, grads, x, context, noise, *, density, levels, alpha, scaling):
    """The loss; its gradient goes into grads."""
    v, added = to_flow(x, noise, levels, alpha, scaling)
    return density.write_grads(params, grads, v, context if context.shape[1] else None) + added


def to_flow(x, noise, levels, alpha, scaling):
    """v of (3), and what (6) adds to the flow's loss."""
    v, log_det = pixels.to_real(pixels.dequantise(x, noise, levels=levels), alpha=alpha)
    v -= scaling.mean
    v /= scaling.std
    return v, x.shape[1] * math.log(levels) - scaling.log_det - log_det.mean()


@dataclass(frozen=True, eq=False)
class PixelFlow:
    """A fitted flow on pixels; its order is kept on the host."""
    density: object
    params: dict
    scaling: Scaling
    context_scaling: Scaling
    order: np.ndarray
    levels: int
    alpha: float
    validation_bound: float
    history: dict

    def log_prob(self, u, context=None):
        """log p(u|c) in nats, (N,), for u (N, D); −inf outside the unit cube."""
        u = take(like(self.scaling.mean, checks.as_array("u", u, ("N", len(self.order)))), self.order)
        xp = array_module(u)
        inside = (abs(u - 0.5) <= 0.5).all(axis=1)
        v, log_p = pixels.to_real(xp.clip(u, 0, 1, out=u), alpha=self.alpha)
        v -= self.scaling.mean
        v /= self.scaling.std
        log_p += self.density.log_prob(self.params, v, self._standardised(context))
        log_p += self.scaling.log_det
        return xp.where(inside, log_p, -np.inf)

    def bound(self, rng, x, context=None, *, n_draws=1):
        """The bound (5) on log P(x|c) in nats, (N,), for levels x (N, D): the mean over n_draws of ε for each image."""
        x = like(self.scaling.mean, check_levels(checks.as_array("x", x, ("N", len(self.order))), self.levels))
        checks.check_count("n_draws", n_draws)
        total = 0
        for _ in range(n_draws):
            total = total + self.log_prob(pixels.dequantise(x, rng.random(x.shape), levels=self.levels), context)
        total /= n_draws
        total -= x.shape[1] * math.log(self.levels)
        return total

    def sample(self, rng, n, context=None):
        """n images of levels, (n, D); with a context of M rows, n for each: (M, n, D)."""
        v = self.density.sample(self.params, rng, n, self._standardised(context))
        y = self.scaling.undo(like(self.scaling.mean, v)).reshape(-1, len(self.order))
        u, _ = pixels.from_real(y, alpha=self.alpha)
        return pixels.quantise(take(u, np.argsort(self.order)), levels=self.levels).reshape(v.shape)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        names = {module: name for name, module in DENSITIES.items()}
        persistence.save(path, "pixel flow", vars(self) | {
            "density": names[self.density], "scaling": self.scaling._asdict(), "context_scaling": self.context_scaling._asdict()})

    def _standardised(self, context):
        """c′ of (3), or none."""
        if context is None:
            return None
        context = checks.as_array("context", context, ("N", len(self.context_scaling.mean)))
        return self.context_scaling.apply(like(self.scaling.mean, context))


def load(path):
    """The flow that `PixelFlow.save` wrote."""
    tree = persistence.load(path, "pixel flow")
    return PixelFlow(**tree | {"density": DENSITIES[tree["density"]], "params": frozen(tree["params"]),
                               "scaling": Scaling(**tree["scaling"]), "context_scaling": Scaling(**tree["context_scaling"])})


def fit(x, *, rng, levels, context=None, order=None, alpha=1e-3, density=realnvp, n_transforms=None, hidden=(128,), learning_rate=2e-3,
        batch_size=64, max_epochs=100, patience=50, validation_fraction=0.1, clip_norm=5.0, schedule=optim.cosine, checkpoint=None,
        progress=False):
    """Train a flow on images, which decide the device and the dtype."""
    x, context, order = check_images(x, context, order, levels, density)
    context_scaling, seen = fit_scaling(context), take(x, order)
    scaling = fit_scaling(pixels.to_real(pixels.dequantise(seen, rng.random(x.shape), levels=levels), alpha=alpha)[0])
    chosen = {} if n_transforms is None else {"n_transforms": n_transforms}
    params = density.init_params(rng, dim=x.shape[1], context_dim=context.shape[1], hidden=hidden, **chosen)
    settings = {"density": density, "levels": levels, "alpha": alpha, "scaling": scaling}
    model = SimpleNamespace(loss=partial(loss, **settings), loss_and_grad=partial(loss_and_grad, **settings),
                            write_grads=partial(write_grads, **settings), draw_noise=lambda rng, n: rng.random((n, x.shape[1])))
    trained = minibatch.train(
        model, tree_map(partial(like, x), params), (seen, context_scaling.apply(context)), rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm,
        schedule=schedule, checkpoint=checkpoint, progress=progress)
    return PixelFlow(density, trained.params, scaling, context_scaling, order, levels, alpha, -trained.loss, trained.history)


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
        raise ValueError(f"density: expected a module, one of {', '.join(DENSITIES)} of this package, got {density!r}")
    x = check_levels(checks.as_array("x", x, ("N", "D")), levels)
    checks.check_count("x: number of rows", len(x), least=2)
    xp = array_module(x)
    context = xp.zeros((len(x), 0), x.dtype) if context is None else like(x, checks.as_array("context", context, (len(x), "C")))
    order = np.arange(x.shape[1]) if order is None else np.asarray(to_host(order))
    if order.shape != x.shape[1:] or not np.array_equal(np.sort(order), np.arange(x.shape[1])):
        raise ValueError(f"order: expected each of 0 … {x.shape[1] - 1} once, got {order.tolist()}")
    return x, context, order


def check_levels(x, levels):
    """x, or a ValueError unless it holds only whole numbers 0 … Q−1."""
    checks.check_count("levels", levels, least=2)
    checks.check_finite("x", x)
    wrong = (x != array_module(x).floor(x)) | (x < 0) | (x >= levels)
    if bool(wrong.any()):
        raise ValueError(f"x: expected whole numbers from 0 to {levels - 1}, got {to_host(x)[to_host(wrong)][0]:g} among them")
    return x
