"""Denoising score matching: the gradient of the log-density, learnt by taking noise away, at a ladder of noise levels (NCSN).

The mathematics is in `reference.generative.score_matching`. Same values; work arrays are feature-major and allocated once for
each batch size. Both signs of a noise pass through the network together, as columns [+ε | −ε], and share all that depends on σ
alone: a, g and e(σ). With r = σ s + ε, and the loss (1/4N) ∑ ‖r‖² over the 2N columns,

    ds = σ r/(2N),    dF = g ⊙ ds,    and the network's backward pass starts from dF

A plain σ, as a sampler has it, makes a, g and e(σ) single columns, and e(σ) a part of the first layer's bias: b + Wₑᵀ e(σ).
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.kernels import cuda
from accel.nets import dense
from accel.runtime import checks, persistence
from accel.training import minibatch, optim
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import frozen, tree_map
from accel.device import array_module, check_together
from accel.generative import langevin
from accel.kernels.dsm import launch as dsm_kernel
from accel.kernels.score import launch as score_kernel
from accel.representation import pca

__all__ = ["ScoreModel", "ladder", "init_params", "draw_noise", "score", "dsm", "loss", "loss_and_grad", "fit", "load"]

TAU = 0.01 * 1000.0 ** (np.arange(8) / 7)                             # where the network is told of σ, for data of variance one
BLOCK, BLOCK_ON_DEVICE = 1024, 1 << 16                                # rows evaluated at a time: on a CPU the work stays in cache


class ScoreModel(NamedTuple):
    """A fitted score, on the device and in the dtype of the data; the ladder is on the host."""
    params: dict
    axes: pca.PCA
    scale: float
    sigmas: np.ndarray
    history: dict

    def score(self, x, sigma):
        """∇ log q_σ(x), (N, D), for σ a number or (N,), in the units of x: what the samplers of `langevin` ask for."""
        xp = array_module(self.axes.mean)
        z = self.axes.transform(x)
        z /= self.scale
        s = score(self.params, z, sigma / self.scale, spread=xp.sqrt(self.axes.explained_variance) / self.scale)
        s = xp.matmul(s, self.axes.components, out=z)
        s /= self.scale
        return s

    def sample(self, rng, n, *, n_steps=100, relative_step=0.2, denoise=True, progress=False):
        """n draws by annealed Langevin, (n, D), from N(m, covariance of the data + σ₁² I)."""
        xp, mean = array_module(self.axes.mean), self.axes.mean
        z = xp.asarray(rng.standard_normal((checks.check_count("n", n, least=0), len(mean))), dtype=mean.dtype)
        z *= xp.sqrt(self.axes.explained_variance + float(self.sigmas[0])**2)
        start = z @ self.axes.components
        start += mean
        step_size = checks.check_positive("relative_step", relative_step) * float(self.sigmas[-1])**2
        return langevin.annealed(rng, self.score, start, sigmas=self.sigmas, step_size=step_size, n_steps=n_steps, denoise=denoise,
                                 progress=progress).x

    def _moved(self, move):
        """The same where `move` takes arrays; the ladder stays on the host."""
        return self._replace(params=frozen(move(self.params)), axes=move(self.axes))

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "score_matching", {**self._asdict(), "axes": self.axes._asdict()})


def load(path):
    """The score that `ScoreModel.save` wrote."""
    saved = persistence.load(path, "score_matching")
    return ScoreModel(**{**saved, "params": frozen(saved["params"]), "axes": pca.PCA(**saved["axes"])})


def ladder(sigma_max, sigma_min, n_levels):
    """The geometric sequence σ₁ = sigma_max > … > σ_L = sigma_min, float64 (L,) on the host."""
    high, low = checks.check_positive("sigma_max", sigma_max), checks.check_positive("sigma_min", sigma_min)
    if not high > low:
        raise ValueError(f"sigma_min: expected a number below sigma_max = {high:.6g}, got {low:.6g}")
    return high * (low / high) ** (np.arange(checks.check_count("n_levels", n_levels, least=2)) / (n_levels - 1))


def init_params(rng, *, dim, hidden=(128, 128)):
    """Weights N(0, 1/n_in); the last layer is zero, so that the score starts as a Gaussian's."""
    checks.check_count("dim", dim)
    checks.check_count("hidden: number of layers", len(hidden))
    for count in hidden:
        checks.check_count("hidden", count)
    layers = dense.init_mlp(rng, (dim + len(TAU), *hidden))
    return {"layers": [*layers, array_module(layers[0]).zeros((hidden[-1] + 1, dim), dtype=layers[0].dtype)]}


def draw_noise(rng, n, *, dim):
    """The noise of the loss for n samples: u (n,), which chooses the levels, and ε (n, dim)."""
    return rng.random(n), rng.standard_normal((n, dim))


class Work:
    """The work arrays of a network of these shapes for n columns of each sign. a, g and e(σ) have n columns too, or one where all
    share one σ; the network is then fed a x alone, through a first layer of its own."""

    def __init__(self, xp, shapes, n, n_signs, shared, dtype):
        (_, first), dim = shapes[0], shapes[-1][1]
        n_levels, self.shared = 1 if shared else n, shared
        self.first = xp.empty((1 + dim, first), dtype)
        self.tape = dense.Tape(xp, ((1 + dim, first), *shapes[1:]) if shared else shapes, n_signs * n, dtype)
        rows = self.tape.inputs[0][1:].reshape(-1, n_signs, n)
        self.ax, self.told, self.network = rows[:dim], rows[dim:], self.tape.out.reshape(dim, n_signs, n)
        self.x, self.r = (xp.empty((dim, n_signs, n), dtype) for _ in range(2))
        self.sigma, self.a, self.gain = (xp.empty((rows, 1, n_levels), dtype) for rows in (1, dim, dim))
        self.squared, self.step = xp.empty_like(self.sigma), xp.empty((len(TAU), 1, n_levels), dtype)
        self.tau2 = xp.asarray(TAU**2, dtype=dtype).reshape(-1, 1, 1)


def set_levels(layers, work, sigma, spread):
    """σ, a, g and e(σ) into work; e(σ) goes to the network's input, or into its first bias where all share one σ. Returns the
    layers that the network then has."""
    xp = array_module(work.a)
    spread = xp.asarray(spread, dtype=work.a.dtype).reshape(-1, 1, 1)
    work.sigma[...] = sigma
    xp.multiply(work.sigma, work.sigma, out=work.squared)
    xp.add(spread * spread, work.squared, out=work.a)
    xp.sqrt(work.a, out=work.a)
    xp.divide(1, work.a, out=work.a)
    xp.divide(work.a, work.sigma, out=work.gain)
    xp.sqrt(work.gain, out=work.gain)
    work.gain *= work.a
    work.gain *= spread
    xp.add(work.squared, work.tau2, out=work.step)
    xp.divide(-2 * work.tau2, work.step, out=work.step)
    work.step += 1                                                    # (σ² − τ²)/(σ² + τ²) = 1 − 2τ²/(σ² + τ²)
    if not work.shared:
        work.told[...] = work.step
        return layers
    first, dim = layers[0], len(work.ax)
    work.first[...] = first[:1 + dim]
    work.first[0] += work.step[:, 0, 0] @ first[1 + dim:]
    return work.first, *layers[1:]


def forward(layers, work):
    """The score at work.x, (D, signs, n), in work.r."""
    xp = array_module(work.r)
    xp.multiply(work.a, work.x, out=work.ax)
    dense.forward(layers, work.tape)
    xp.multiply(work.a, work.ax, out=work.x)
    xp.multiply(work.gain, work.network, out=work.r)
    work.r -= work.x
    return work.r


def score(params, x, sigma, *, spread=1.0):
    """s_θ(x, σ), (N, D)."""
    layers = params["layers"]
    x = checks.as_array("x", x, ("N", layers[-1].shape[1]))
    check_together(params=layers[0], x=x)
    xp, sigma, dtype = array_module(x), as_levels(sigma, x), layers[0].dtype
    if cuda.wanted(xp) and (found := score_kernel.score(params, x, sigma, spread, TAU)) is not None:
        return found
    out, n, block, shared = xp.empty_like(x), len(x), BLOCK if xp is np else BLOCK_ON_DEVICE, len(sigma) == 1
    whole = n - n % block
    for begin, end, size in ((0, whole, block), (whole, n, n - whole)):
        if begin == end:
            continue
        with memory.borrow(Work, xp, dense.shapes_of(layers), size, 1, shared, dtype) as work:
            fed = set_levels(layers, work, sigma, spread) if shared else layers
            for rows in (slice(start, start + size) for start in range(begin, end, size)):
                if not shared:
                    set_levels(layers, work, sigma[rows], spread)
                work.x[:, 0] = x[rows].T
                out[rows] = forward(fed, work)[:, 0].T
    return out


def as_levels(sigma, x):
    """σ as (1,) or (N,) in the dtype of x, or a ValueError."""
    if getattr(sigma, "ndim", 0) == 0:
        return array_module(x).full(1, checks.check_positive("sigma", float(sigma)), x.dtype)
    checks.check_shape("sigma", sigma, (len(x),))
    return sigma.astype(x.dtype, copy=False)


def dsm(params, x, epsilon, *, sigma, spread=1.0):
    """J(θ; σ) at one level, its mean over x and over ε (N, D) with both signs; a network for one level is trained with L = 1."""
    u = array_module(x).zeros(len(x), dtype=x.dtype)
    return loss(params, x, u, epsilon, sigmas=(sigma,), spread=spread) / sigma**2


def loss(params, x, u, epsilon, *, sigmas, spread=1.0):
    """L(θ), estimated with one level and one pair of ±ε for each sample."""
    return matched(params, None, x, u, epsilon, sigmas, spread)


def loss_and_grad(params, x, u, epsilon, *, sigmas, spread=1.0):
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return matched(params, grads, x, u, epsilon, sigmas, spread), plain(grads)


def write_grads(params, grads, x, u, epsilon, *, sigmas, spread=1.0):
    """The loss; its gradient goes into grads, a tree over one vector."""
    return matched(params, grads, x, u, epsilon, sigmas, spread)


def matched(params, grads, x, u, epsilon, sigmas, spread):
    """The loss, and its gradient in grads unless that is None."""
    layers = params["layers"]
    x = checks.as_array("x", x, ("N", layers[-1].shape[1]))
    check_together(params=layers[0], x=x)
    xp, n, dtype = array_module(x), len(x), layers[0].dtype
    if cuda.wanted(xp):
        value = dsm_kernel.loss_and_grad(params, x, u, epsilon, grads, sigmas=sigmas, spread=spread, tau=TAU)
        if value is not None:
            return value
    with memory.borrow(Work, xp, dense.shapes_of(layers), n, 2, False, dtype) as work:
        value = residuals(layers, work, x, u, epsilon, sigmas, spread)
        if grads is not None:
            work.gain *= work.sigma
            work.gain *= 1 / (2 * n)
            work.r *= work.gain
            dense.backward(layers, work.tape, work.r.reshape(work.tape.out.shape), grads["layers"])
        return value


def residuals(layers, work, x, u, epsilon, sigmas, spread):
    """The loss; r is left in work."""
    xp, n, dtype = array_module(x), len(x), work.r.dtype
    level = xp.minimum((xp.asarray(u) * len(sigmas)).astype(np.int64), len(sigmas) - 1)
    noise = xp.asarray(epsilon, dtype=dtype).T
    set_levels(layers, work, xp.take(xp.asarray(sigmas, dtype=dtype), level), spread)
    xp.multiply(noise, work.sigma[:, 0], out=work.x[:, 1])
    xp.add(x.T, work.x[:, 1], out=work.x[:, 0])
    xp.subtract(x.T, work.x[:, 1], out=work.x[:, 1])
    r = forward(layers, work)
    r *= work.sigma
    r[:, 0] += noise
    r[:, 1] -= noise
    return xp.vdot(r, r) / (4 * n)


def fit(x, *, rng, sigmas=None, hidden=(128, 128), learning_rate=3e-3, batch_size=200, max_epochs=200, patience=100,
        validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """A score network trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    n, dim = x.shape
    if n <= dim:
        raise ValueError(f"x: expected more rows than columns, got shape {(n, dim)}")
    axes, xp = pca.fit(x, n_components=dim), array_module(x)
    scale = checks.check_positive("x: standard deviation", float(axes.explained_variance.mean())**0.5)
    if sigmas is None:
        sigmas = ladder(float(xp.square(x - axes.mean).sum(axis=1).max())**0.5, scale / 50, 12)
    sigmas = langevin.check_levels(sigmas)
    fixed = {"sigmas": xp.asarray(sigmas / scale, dtype=x.dtype), "spread": xp.sqrt(axes.explained_variance) / scale}
    model = SimpleNamespace(loss=partial(loss, **fixed), loss_and_grad=partial(loss_and_grad, **fixed),
                            write_grads=partial(write_grads, **fixed), draw_noise=partial(draw_noise, dim=dim),
                            fused=partial(dsm_kernel.step, **fixed, tau2=TAU**2))
    params = tree_map(lambda leaf: xp.asarray(leaf, dtype=x.dtype), init_params(rng, dim=dim, hidden=hidden))
    z = axes.transform(x)
    z /= scale
    trained = minibatch.train(model, params, (z,), rng=rng, learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                             patience=patience, validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
                             progress=progress)
    return ScoreModel(trained.params, axes, scale, sigmas, trained.history)
