"""A fitted score as an object, in the units of the data: scores and samples. `score_matching` fits it.

    (1)  x = m + c Vᵀx′                          principal axes V; x′ has mean zero and mean variance one
    (2)  ∇ log q_σ(x) = Vᵀ s_θ(x′, σ/c)/c
    (3)  x ~ N(m, C + σ₁² I), then annealed Langevin along (2)    C: the covariance of the data

The coordinates of x′ are uncorrelated. For any Gaussian, the linear part of the network alone is then exact.

Shapes        N samples, D dimensions, L levels; x, x′ (N, D); V (D, D), rows the axes; σ one number or (N,).
Conventions   σ and the levels are in the units of x.
Source        "Generative modeling by estimating gradients of the data distribution", Song and Ermon, 2019,
              algorithm 1 (3).

Example
-------
>>> import numpy as np
>>> from reference.generative import score_matching
>>> rng = np.random.default_rng(0)
>>> model = score_matching.fit(rng.standard_normal((300, 2)), rng=rng, hidden=(8,), max_epochs=5)
>>> model.sample(rng, 4, n_steps=10).shape
(4, 2)
"""
from typing import NamedTuple

import numpy as np

from reference.generative import langevin, score_network
from reference.representation import pca
from reference.runtime import checks, persistence
from reference.runtime.protocols import Array, Params, Rng
from reference.runtime.tree import frozen

__all__ = []
SHARED = ["ScoreModel", "load"]
__all__ += SHARED


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
        spread = np.sqrt(self.axes.explained_variance) / self.scale
        x = self.axes.transform(x) / self.scale                       # (1)
        s = score_network.score(self.params, x, sigma / self.scale, spread=spread)
        return s @ self.axes.components / self.scale                  # (2)

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
        z = rng.standard_normal((checks.check_count("n", n, least=0), len(self.axes.mean)))
        wide = np.sqrt(self.axes.explained_variance + float(self.sigmas[0])**2)
        start = self.axes.mean + (wide * z.astype(self.axes.mean.dtype)) @ self.axes.components
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
