"""A fitted score as an object, in the units of the data: scores and samples. `score_matching` fits it.

The mathematics is in `reference.generative.score_model`. Same values, on the device and in the dtype of the
data; the noise levels stay on the host. The score carries its form (`kernels.score.form`), so that Langevin
dynamics along it is one kernel, which has the axes and the scale folded into the network.

Example
-------
>>> import numpy as np
>>> from accel.generative import score_matching
>>> rng = np.random.default_rng(0)
>>> model = score_matching.fit(rng.standard_normal((300, 2)), rng=rng, hidden=(8,), max_epochs=5)
>>> model.sample(rng, 4, n_steps=10).shape
(4, 2)
"""
from typing import NamedTuple

from accel.device import array_module
from accel.generative import langevin, score_network
from accel.kernels.score.form import Network, declares
from accel.representation import pca
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array, Params, Rng
from accel.runtime.tree import frozen

__all__ = []
SHARED = ["ScoreModel", "load"]
__all__ += SHARED


def kernel_form(model):
    """The network of a ScoreModel behind its axes, as kernels take it."""
    axes = model.axes
    spread = array_module(axes.mean).sqrt(axes.explained_variance) / model.scale
    return Network(model.params["layers"], score_network.TAU, spread, axes.mean, axes.components, model.scale)


class ScoreModel(NamedTuple):
    """A fitted score.

    Attributes
    ----------
    params : dict
        Of the network, see `score_network`.
    axes : PCA
        m, V and the variances along the axes.
    scale : float
        c of (1), in the units of x.
    sigmas : (L,) float
        The noise levels, in the units of x.
    history : dict of list of float
        The losses of each epoch, see `training.minibatch`.
    """
    params: Params
    axes: pca.PCA
    scale: float
    sigmas: Array
    history: dict

    @declares(kernel_form)
    def score(self, x: Array, sigma: Array | float) -> Array:
        """∇ log q_σ(x), (N, D): what the samplers of `langevin` take.

        Parameters
        ----------
        x : (N, D) float
        sigma : float or (N,) float
            σ > 0.

        Raises
        ------
        ValueError
            If x or sigma has another shape, or one number sigma is not positive and finite.
        """
        xp = array_module(self.axes.mean)
        z = self.axes.transform(x)
        z /= self.scale                                               # (1)
        spread = xp.sqrt(self.axes.explained_variance) / self.scale
        s = score_network.score(self.params, z, sigma / self.scale, spread=spread)
        s = xp.matmul(s, self.axes.components, out=z)
        s /= self.scale                                               # (2)
        return s

    def sample(self, rng: Rng, n: int, *, n_steps: int = 100, relative_step: float = 0.2,
               denoise: bool = True, progress: bool = False) -> Array:
        """n draws by annealed Langevin, (n, D).

        Parameters
        ----------
        rng : Generator
        n : int
        n_steps : int
            T, at each level.
        relative_step : float
            αᵢ/σᵢ², the same at each level.
        denoise : bool
            End with the mean of the clean x given the noisy one, see `langevin.annealed`.
        progress : bool
            Show a progress bar.

        Raises
        ------
        ValueError
            If a number is out of range.
        NonFiniteScoreError
            If a score, or a chain, is no longer finite.
        """
        xp, mean = array_module(self.axes.mean), self.axes.mean
        z = rng.standard_normal((checks.check_count("n", n, least=0), len(mean)))
        wide = xp.sqrt(self.axes.explained_variance + float(self.sigmas[0])**2)
        start = (xp.asarray(z, dtype=mean.dtype) * wide) @ self.axes.components
        start += mean
        step_size = checks.check_positive("relative_step", relative_step) * float(self.sigmas[-1])**2
        return langevin.annealed(rng, self.score, start, sigmas=self.sigmas, step_size=step_size,
                                 n_steps=n_steps, denoise=denoise, progress=progress).x               # (3)

    def save(self, path: str) -> None:
        """Write to a .npz file that either package loads.

        Parameters
        ----------
        path : str or path-like
        """
        persistence.save(path, "score_matching", {**self._asdict(), "axes": self.axes._asdict()})

    def _moved(self, move):
        """The same with its arrays moved, but for the noise levels."""
        return self._replace(params=frozen(move(self.params)), axes=move(self.axes))


def load(path: str) -> ScoreModel:
    """The score that `ScoreModel.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        If there is no such file, or it cannot be opened.
    ValueError
        If the file is no saved score.
    """
    saved = persistence.load(path, "score_matching")
    changed = {"params": frozen(saved["params"]), "axes": pca.PCA(**saved["axes"])}
    return ScoreModel(**{**saved, **changed})
