"""Neural likelihood estimation: a conditional density of the data given parameters, trained on simulations.

    (1)  θⱼ ~ p(θ),  xⱼ ~ p(x|θⱼ)                             simulations: pairs from the joint density
    (2)  c = (T(θ) − m)/s                                     unconstrained parameters u = T(θ), standardised
    (3)  v = L⁻¹ (y − [1, c] A)                               y, data or PCA scores standardised, whitened

A conditional density q_φ(v|c) is fitted to the likelihood. Averaged over θ, their divergence is

    (4)  E_c KL(p(v|c) ‖ q_φ(v|c)) = E_c E_{v|c} [log p(v|c) − log q_φ(v|c)]
                                   = constant − E_{v,c} log q_φ(v|c)              the cross-entropy
                                   ≈ constant − (1/N) ∑ⱼ log q_φ(vⱼ|cⱼ)           its mean over simulations

and the last term is the loss. Unlike a posterior, q_φ does not depend on the density of θ in (1), and one fit
serves any number T of independent observations of one θ. Every question needs a Markov chain:

    (5)  log q(x|θ) = log q_φ(v|c) + log|det ∂v/∂y| + log|det ∂y/∂x|
    (6)  ∂ log q(x|θ)/∂u = [∂ log q_φ/∂c − A₁ L⁻ᵀ ∂ log q_φ/∂v] / s         A₁: A without the constant's row
    (7)  p(θ|x₁ … x_T) ∝ p(θ) ∏ₜ q(xₜ|θ)

`fit` returns a `Posterior`, which computes (5)–(7): see `inference.nle_posterior`.

Shapes        N simulations, P parameters, D data; θ (N, P), u (N, P′), x (N, D).
Conventions   nats. q_φ is a MAF, a neural spline flow, a RealNVP or a mixture density network. With
              n_components, (5) is the density of the PCA scores, in the units of x: the likelihood of the
              compressed data. Its posterior is wider where the compression loses information.
Source        "Sequential neural likelihood", Papamakarios, Sterratt and Murray, 2019, section 3 (without the
              rounds); lecture S2, slides on neural likelihood estimation.
Departures    (3): the density has to learn only what is not linear, as in npe.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import nle
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((500, 1))
>>> x = theta + 0.5 * rng.standard_normal((500, 1))
>>> prior = priors.Normal([0.0], [1.0])
>>> posterior = nle.fit(prior, theta, x, rng=rng, n_transforms=1, hidden=(8,), max_epochs=5)

[ -0. -17.]
"""
from collections.abc import Callable
from os import PathLike

from reference.density import maf
from reference.inference import npe
from reference.inference.description import name_of
from reference.inference.inputs import check_simulations, compress
from reference.inference.nle_posterior import Posterior, load
from reference.preprocessing.regression import fit_regression
from reference.preprocessing.scaling import fit_scaling
from reference.runtime.protocols import Array, Density, Prior, Rng
from reference.training import minibatch, optim

__all__ = ["Posterior", "fit", "load"]


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, n_components: int | None = None,
        density: Density = maf, n_transforms: int | None = None, hidden: tuple[int, ...] = (50, 50),
        learning_rate: float = 5e-3, batch_size: int = 200, max_epochs: int = 200, patience: int = 40,
        validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Posterior:
    """Train a likelihood on simulations.

    Parameters
    ----------
    prior
        From `priors`. The simulations may come from another density of theta: a likelihood does not depend on
        it.
    theta : (N, P) float
        Parameters, all inside the prior.
    x : (N, D) float
        The simulated data, row by row.
    rng : Generator
        Initial weights, split and shuffles.
    n_components : int, optional
        Learn the density of this number of PCA scores of the data. The data must share a unit, as in
        `npe.fit`.
    density : module
        `density.maf`, `density.nsf`, `density.realnvp` or `density.mdn`.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number. For mdn None.
    hidden : tuple of int
        The hidden sizes of each transform.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm
        As in `training.minibatch.train`.
    schedule, checkpoint, progress
        As in `training.minibatch.train`.

    Raises
    ------
    ValueError
        If there are fewer than 20 simulations, numbers are not finite, a theta is outside the prior, shapes
        do not fit, or the density is none of these.
    """
    name_of(density)
    theta, x = check_simulations(prior, theta, x)
    u, _ = prior.to_unconstrained(theta)
    standardisation = fit_scaling(u)
    compression, scaling, y = compress(x, n_components)
    c = standardisation.apply(u)                                                              # (2)
    whitening = fit_regression(y, c)
    params = npe.init_params(rng, dim=y.shape[1], context_dim=c.shape[1], density=density,
                             n_transforms=n_transforms, hidden=hidden)["flow"]
    trained = minibatch.train(
        density, params, (whitening.whiten(y, c), c), rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience, clip_norm=clip_norm,
        validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
        progress=progress)                                                                    # (3), (4)
    validation_log_prob = -trained.loss + float(whitening.log_det) + float(scaling.log_det)
    return Posterior(prior, density, trained.params, standardisation, whitening, compression, scaling,
                     validation_log_prob, trained.history)
