"""Denoising score matching: the gradient of the log-density, learnt by taking noise away, at a ladder of noise levels (NCSN).

    (1)  J(θ; σ) = ½ E‖s_θ(x + σε, σ) + ε/σ‖²,   ε ~ N(0, I)       least for s = ∇ log q_σ, q_σ = p ∗ N(0, σ²I)
    (2)  L(θ) = (1/L) ∑ᵢ λ(σᵢ) J(θ; σᵢ),   λ(σ) = σ²               over a ladder σ₁ > … > σ_L
    (3)  s_θ(x, σ) = −a² ⊙ x + g ⊙ F_θ(a ⊙ x, e(σ))                the score of a Gaussian, and a network F for the rest
    (4)  a = (k² + σ²)^(−½),   g = k a √(a/σ)                      k: the standard deviation of each coordinate of x
    (5)  eᵢ(σ) = tanh log(σ/τᵢ) = (σ² − τᵢ²)/(σ² + τᵢ²)            what F is told of σ: a step at each τᵢ
    (6)  x = m + c Vᵀx′                                            principal axes: the model sees x′, of mean variance one

With k known, F = 0 is exact for a Gaussian of independent coordinates, and by (6) `fit` makes every Gaussian one. What F adds
must reach two limits: 1/σ for data on a thin set, 1/k for data as wide as their spread. A gain of k a/σ meets the first, and lets
the noise of training grow as 1/σ; k a² meets the second, and asks F itself to grow; (4) is their geometric mean.

Shapes        N samples, D dimensions, L levels; x, ε, s (N, D); σ one number or (N,); k (D,); V (D, D), rows the axes.
Conventions   (1) sums over D. λ = σ² gives every level about the same weight. Each sample of a batch has its own level, drawn as
              a uniform number u: i = ⌊L u⌋. `score`, `dsm`, `loss` work on x′ and its σ; a fitted ScoreModel takes and gives x.
Source        "A connection between score matching and denoising autoencoders", Vincent, 2011 (1); "Generative modeling by
              estimating gradients of the data distribution", Song and Ermon, 2019, eqs. 5–6; "Elucidating the design space of
              diffusion-based generative models", Karras et al., 2022, section 5, whose preconditioning (3) extends; lecture S1,
              slides "denoising score matching" and "noise conditional score network".
Departures    every ε is used with both signs: the same mean, and where σ is small nearly all the noise of the gradient cancels.
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.runtime import checks, persistence
from reference.runtime.tree import frozen
from reference.training import minibatch, optim
from reference.generative import langevin
from reference.representation import pca

__all__ = ["ScoreModel", "ladder", "init_params", "draw_noise", "score", "dsm", "loss", "loss_and_grad", "fit", "load"]

TAU = 0.01 * 1000.0 ** (np.arange(8) / 7)                             # of (5), for data of variance one


class ScoreModel(NamedTuple):
    """A fitted score.

    Attributes
    ----------
    params : dict
    axes : PCA
        m, V and the variances along the axes.
    scale : float
        c of (6), in the units of x.
    sigmas : (L,) float
        The ladder, in the units of x.
    history : dict of list of float
        The losses of each epoch, see `training.minibatch`.
    """
    params: dict
    axes: pca.PCA
    scale: float
    sigmas: np.ndarray
    history: dict

    def score(self, x, sigma):
        """∇ log q_σ(x), (N, D), for σ a number or (N,), in the units of x: what the samplers of `langevin` ask for."""
        spread = np.sqrt(self.axes.explained_variance) / self.scale
        s = score(self.params, self.axes.transform(x) / self.scale, sigma / self.scale, spread=spread)
        return s @ self.axes.components / self.scale                                                  # (6)

    def sample(self, rng, n, *, n_steps=100, relative_step=0.2, denoise=True, progress=False):
        """n draws by annealed Langevin, (n, D), from N(m, covariance of the data + σ₁² I).

        Parameters
        ----------
        rng : Generator
        n : int
        n_steps : int
            T, at each level.
        relative_step : float
            αᵢ/σᵢ², the same at each level.
        denoise : bool
            Take the noise of the last level away.
        progress : bool
        """
        z = rng.standard_normal((checks.check_count("n", n, least=0), len(self.axes.mean))).astype(self.axes.mean.dtype)
        wide = np.sqrt(self.axes.explained_variance + float(self.sigmas[0])**2)
        step_size = checks.check_positive("relative_step", relative_step) * float(self.sigmas[-1])**2
        return langevin.annealed(rng, self.score, self.axes.mean + (wide * z) @ self.axes.components, sigmas=self.sigmas,
                                 step_size=step_size, n_steps=n_steps, denoise=denoise, progress=progress).x

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "score_matching", {**self._asdict(), "axes": self.axes._asdict()})


def load(path):
    """The score that `ScoreModel.save` wrote."""
    saved = persistence.load(path, "score_matching")
    return ScoreModel(**{**saved, "params": frozen(saved["params"]), "axes": pca.PCA(**saved["axes"])})


def ladder(sigma_max, sigma_min, n_levels):
    """The geometric sequence σ₁ = sigma_max > … > σ_L = sigma_min, float64 (L,)."""
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
    return {"layers": [*dense.init_mlp(rng, (dim + len(TAU), *hidden)), np.zeros((hidden[-1] + 1, dim))]}


def draw_noise(rng, n, *, dim):
    """The noise of the loss for n samples: u (n,), which chooses the levels, and ε (n, dim)."""
    return rng.random(n), rng.standard_normal((n, dim))


def score(params, x, sigma, *, spread=1.0):
    """s_θ(x, σ), (N, D).

    Parameters
    ----------
    params : dict
    x : (N, D) float
    sigma : float or (N,) float
        Positive.
    spread : float or (D,) float
        k of (4); zero for a coordinate that does not vary, where the network is not heard.
    """
    x = checks.as_array("x", x, ("N", params["layers"][-1].shape[1]))
    sigma = as_levels(sigma, x)
    a = 1 / np.sqrt(spread**2 + sigma**2)
    gain = spread * a * np.sqrt(a / sigma)                                                            # (4)
    told = np.ones((len(x), 1), x.dtype) * told_of(sigma)
    return gain * dense.mlp(params["layers"], np.concatenate((a * x, told), axis=1)) - a**2 * x        # (3)


def as_levels(sigma, x):
    """σ as (1, 1) or (N, 1) in the dtype of x, or a ValueError."""
    if getattr(sigma, "ndim", 0) == 0:
        return np.full((1, 1), checks.check_positive("sigma", float(sigma)), x.dtype)
    checks.check_shape("sigma", sigma, (len(x),))
    return sigma[:, None].astype(x.dtype)


def told_of(sigma):
    tau = TAU.astype(sigma.dtype)
    return (sigma**2 - tau**2) / (sigma**2 + tau**2)                                                  # (5)


def dsm(params, x, epsilon, *, sigma, spread=1.0):
    """J(θ; σ) at one level, its mean over x and over ε (N, D) with both signs; a network for one level is trained by (2) with L = 1."""
    return loss(params, x, np.zeros(len(x), x.dtype), epsilon, sigmas=(sigma,), spread=spread) / sigma**2    # (1)


def loss(params, x, u, epsilon, *, sigmas, spread=1.0):
    """L(θ), estimated with one level and one pair of ±ε for each sample.

    Parameters
    ----------
    params : dict
    x : (N, D) float
    u : (N,) float
        Uniform on [0, 1).
    epsilon : (N, D) float
        Standard normal.
    sigmas : (L,) float
        The ladder, in the units of x.
    spread : float or (D,) float
        k of (4).
    """
    sigma = np.array(sigmas).astype(x.dtype)[np.minimum((u * len(sigmas)).astype(int), len(sigmas) - 1)]
    total = 0.0
    for e in (epsilon.astype(x.dtype), -epsilon.astype(x.dtype)):
        s = score(params, x + sigma[:, None] * e, sigma, spread=spread)
        total = total + 0.5 * np.mean(np.sum((sigma[:, None] * s + e)**2, axis=1))                    # (2): σ²(1)
    return total / 2


def loss_and_grad(params, x, u, epsilon, *, sigmas, spread=1.0):
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, u, epsilon, sigmas=sigmas, spread=spread)


def fit(x, *, rng, sigmas=None, hidden=(128, 128), learning_rate=3e-3, batch_size=200, max_epochs=200, patience=100,
        validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """A score network trained on x; what the settings mean is in `training.minibatch.train`.

    Parameters
    ----------
    x : (N, D) float
        More samples than dimensions, not all alike.
    rng : Generator
        Draws the first weights, then splits, shuffles, levels and noise.
    sigmas : (L,) float, optional
        Strictly decreasing, in the units of x. By default twelve levels, from the largest distance between a sample and the mean,
        where no gap is left, to a fiftieth of the root mean variance.
    hidden : tuple of int

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of more than D different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    n, dim = x.shape
    if n <= dim:
        raise ValueError(f"x: expected more rows than columns, got shape {(n, dim)}")
    axes = pca.fit(x, n_components=dim)
    scale = checks.check_positive("x: standard deviation", float(np.sqrt(np.mean(axes.explained_variance))))
    if sigmas is None:
        sigmas = ladder(float(np.sqrt(np.max(np.sum((x - axes.mean)**2, axis=1)))), scale / 50, 12)
    sigmas = langevin.check_levels(sigmas)
    fixed = {"sigmas": sigmas / scale, "spread": np.sqrt(axes.explained_variance) / scale}
    model = SimpleNamespace(loss=partial(loss, **fixed), loss_and_grad=partial(loss_and_grad, **fixed),
                            draw_noise=partial(draw_noise, dim=dim))
    trained = minibatch.train(model, init_params(rng, dim=dim, hidden=hidden), (axes.transform(x) / scale,), rng=rng,
                             learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                             validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint, progress=progress)
    return ScoreModel(trained.params, axes, scale, sigmas, trained.history)
