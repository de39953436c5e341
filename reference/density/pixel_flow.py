"""Flow on pixels: an exact density of images with grey levels, of its own kind or given something else about them.

    (1)  u = (x + ε)/Q,  ε ~ U[0, 1)ᴰ                              noise fills the gaps between levels, anew at every step
    (2)  y = logit(α + (1 − 2α) u)                                 the real line (see pixels)
    (3)  v = (y_π − m)/s,   c′ = (c − m_c)/s_c                     pixels in the order π; both standardised
    (4)  log p(u|c) = log q_φ(v|c′) − ∑ⱼ log sⱼ + log|det ∂y/∂u|   q: a flow
    (5)  log P(x|c) ≥ E_ε[log p(u|c)] − D log Q
    (6)  loss = −(1/N) ∑ₙ (log p(uₙ|cₙ) − D log Q)                 one ε for each image: its mean over ε is the bound (5)
    (7)  x = ⌊Q u⌋,   v ~ q_φ(·|c′),  u = u(v)                     an image, in as many passes as the flow takes

Shapes        N images, D pixels, C context, M contexts, n draws; x, u (N, D); c (N, C); π (D,).
Conventions   nats. Levels are whole numbers 0 … Q−1. What mass q has beyond the y of u = 0 and u = 1 is missing in (4), so that (5) is
              a bound all the same; a draw from there gets the level at the edge. A coupling flow keeps the first half of the pixels
              while it moves the rest: one half should hold the neighbours of the other, `order=pixels.checkerboard(height, width)`.
Source        "Density estimation using Real NVP", Dinh, Sohl-Dickstein and Bengio, 2017, sections 3.4 and 4.1; lectures S0 and S2,
              slides "train a generative model on MNIST" and "p(pixels | central pixels)".
Departures    fully connected networks, one scale and no batch normalisation: these are images of some hundred pixels. The paper has
              α = 0.05. Bits per dimension on 360 held-out digits of 8 × 8 pixels, the mean over three fits with the defaults:

                                 rows in order     random order     checkerboard
                  α = 0.05          2.250             2.203             2.194
                  α = 0.001         2.124             2.104             2.093
"""
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import autograd.numpy as np
from autograd import value_and_grad

from reference.runtime import checks, persistence
from reference.training import minibatch, optim
from reference.preprocessing.scaling import Scaling, fit_scaling
from reference.density import maf, nsf, realnvp
from reference.preprocessing import pixels

__all__ = ["PixelFlow", "loss", "loss_and_grad", "fit", "load"]

DENSITIES = {"maf": maf, "nsf": nsf, "realnvp": realnvp}


def loss(params, x, context, noise, *, density, levels, alpha, scaling):
    """(6) in nats, for pixels x (N, D) already in the order π, standardised context (N, C), C = 0 for none, and noise (N, D)."""
    y, log_det = pixels.to_real(pixels.dequantise(x, noise, levels=levels), alpha=alpha)          # (1), (2)
    log_det = np.mean(log_det) + scaling.log_det - x.shape[1] * np.log(levels)
    return density.loss(params, scaling.apply(y), context if context.shape[1] else None) - log_det        # (3), (6)


def loss_and_grad(params, x, context, noise, *, density, levels, alpha, scaling):
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(partial(loss, density=density, levels=levels, alpha=alpha, scaling=scaling))(params, x, context, noise)


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
        m, s and m_c, s_c of (3), both in the order in which the flow sees them; without a context the second is empty.
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
        u = checks.as_array("u", u, ("N", len(self.order)))[:, self.order]
        y, log_det = pixels.to_real(np.clip(u, 0, 1), alpha=self.alpha)
        log_q = self.density.log_prob(self.params, self.scaling.apply(y), self._standardised(context))
        return np.where(np.all((u >= 0) & (u <= 1), axis=1), log_q + self.scaling.log_det + log_det, -np.inf)       # (4)

    def bound(self, rng, x, context=None, *, n_draws=1):
        """The bound (5) on log P(x|c) in nats, (N,), for levels x (N, D): the mean over n_draws of ε for each image."""
        x = check_levels(checks.as_array("x", x, ("N", len(self.order))), self.levels)
        checks.check_count("n_draws", n_draws)
        log_p = [self.log_prob(pixels.dequantise(x, rng.random(x.shape), levels=self.levels), context) for _ in range(n_draws)]
        return np.mean(np.stack(log_p), axis=0) - x.shape[1] * np.log(self.levels)                # (5)

    def sample(self, rng, n, context=None):
        """n images of levels, (n, D); with a context of M rows, n for each: (M, n, D)."""
        v = self.density.sample(self.params, rng, n, self._standardised(context))
        u, _ = pixels.from_real(self.scaling.undo(v).reshape(-1, len(self.order)), alpha=self.alpha)
        return pixels.quantise(u[:, np.argsort(self.order)], levels=self.levels).reshape(v.shape)  # (7)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        names = {module: name for name, module in DENSITIES.items()}
        persistence.save(path, "pixel flow", vars(self) | {
            "density": names[self.density], "scaling": self.scaling._asdict(), "context_scaling": self.context_scaling._asdict()})

    def _standardised(self, context):
        """c′ of (3), or none."""
        if context is None:
            return None
        return self.context_scaling.apply(checks.as_array("context", context, ("N", len(self.context_scaling.mean))))


def load(path):
    """The flow that `PixelFlow.save` wrote."""
    tree = persistence.load(path, "pixel flow")
    return PixelFlow(**tree | {"density": DENSITIES[tree["density"]], "scaling": Scaling(**tree["scaling"]),
                               "context_scaling": Scaling(**tree["context_scaling"])})


def fit(x, *, rng, levels, context=None, order=None, alpha=1e-3, density=realnvp, n_transforms=None, hidden=(128,), learning_rate=2e-3,
        batch_size=64, max_epochs=100, patience=50, validation_fraction=0.1, clip_norm=5.0, schedule=optim.cosine, checkpoint=None,
        progress=False):
    """Train a flow on images.

    Parameters
    ----------
    x : (N, D) float
        Whole numbers 0 … Q−1, at least two rows; D at least 2.
    rng : Generator
        Draws ε, the first weights, then splits and shuffles.
    levels : int
        Q.
    context : (N, C) float, optional
        What is known of each image, in any units.
    order : (D,) int, optional
        π: the flow's pixel j is pixel order[j] of x. By default as they are.
    alpha : float
        In (0, ½).
    density : module
        The flow: `density.realnvp`, `density.maf` or `density.nsf`.
    n_transforms : int, optional
        By default the density's own number.
    hidden : tuple of int
        The hidden sizes of each transform.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm, schedule, checkpoint, progress
        As in `training.train`.

    Raises
    ------
    ValueError
        If x holds anything else than whole numbers 0 … Q−1, shapes do not fit, the order is no permutation, or a setting is out
        of range.
    """
    x, context, order = check_images(x, context, order, levels, density)
    context_scaling, seen = fit_scaling(context), x[:, order]
    scaling = fit_scaling(pixels.to_real(pixels.dequantise(seen, rng.random(x.shape), levels=levels), alpha=alpha)[0])
    chosen = {} if n_transforms is None else {"n_transforms": n_transforms}
    params = density.init_params(rng, dim=x.shape[1], context_dim=context.shape[1], hidden=hidden, **chosen)
    settings = {"density": density, "levels": levels, "alpha": alpha, "scaling": scaling}
    model = SimpleNamespace(loss=partial(loss, **settings), loss_and_grad=partial(loss_and_grad, **settings),
                            draw_noise=lambda rng, n: rng.random((n, x.shape[1])))                # (1)
    trained = minibatch.train(
        model, params, (seen, context_scaling.apply(context)), rng=rng, learning_rate=learning_rate, batch_size=batch_size,
        max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm, schedule=schedule,
        checkpoint=checkpoint, progress=progress)
    return PixelFlow(density, trained.params, scaling, context_scaling, order, levels, alpha, -trained.loss, trained.history)


def check_images(x, context, order, levels, density):
    """x, the context (N, C), C = 0 where there is none, and the order as an array, or a ValueError."""
    if density not in DENSITIES.values():
        raise ValueError(f"density: expected a module, one of {', '.join(DENSITIES)} of this package, got {density!r}")
    x = check_levels(checks.as_array("x", x, ("N", "D")), levels)
    checks.check_count("x: number of rows", len(x), least=2)
    context = np.zeros((len(x), 0), x.dtype) if context is None else checks.as_array("context", context, (len(x), "C"))
    order = np.arange(x.shape[1]) if order is None else np.asarray(order)
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
