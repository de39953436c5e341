"""Neural posterior estimation: a conditional density, trained on simulations, is the posterior for any data.

    (1)  θⱼ ~ p(θ),  xⱼ ~ p(x|θⱼ)                             simulations: pairs from the joint density
    (2)  u = T(θ)                                             the prior's unconstrained space
    (3)  c = c(x)                                             the data, or their PCA scores, standardised
    (4)  v = L⁻¹ (u − [1, c] A)                               u whitened by a linear regression on c

A conditional density q_φ(v|c) is fitted to the posterior p(v|c). Averaged over the data, their divergence is

    (5)  E_c KL(p(v|c) ‖ q_φ(v|c)) = E_c E_{v|c} [log p(v|c) − log q_φ(v|c)]
                                   = constant − E_{v,c} log q_φ(v|c)              the cross-entropy
                                   ≈ constant − (1/N) ∑ⱼ log q_φ(vⱼ|cⱼ)           its mean over simulations

which is zero, its least value, where q_φ is the posterior. No likelihood is needed. With an embedding network
e, or e(c) = c:

    (6)  loss = −(1/N) ∑ⱼ log q_φ(vⱼ | e_φ(cⱼ))
    (7)  log q(θ|x) = log q_φ(v | e_φ(c)) + log|det ∂v/∂u| + log|det ∂u/∂θ|
    (8)  θ = T⁻¹([1, c] A + L v),   v ~ q_φ(· | e_φ(c))       no draw can fall outside the prior

`fit` returns a `Posterior`, which computes (7) and (8): see `inference.npe_posterior`.

Shapes        N simulations, P parameters, D data, C context, M observations, n draws; θ (N, P), x (N, D).
Conventions   nats. q_φ is a masked autoregressive flow, a neural spline flow, a RealNVP or a mixture density
              network. The embedding network is trained along with it.
Source        "Fast ε-free inference of simulation models with Bayesian conditional density estimation",
              Papamakarios and Murray, 2016, section 2; "Automatic posterior transformation", Greenberg,
              Nonnenmacher and Macke, 2019 (the flow); lecture S3, slides "Neural Posterior Estimation (NPE)".
Departures    S3 fits θ itself, scaled: mass can then leak outside the prior. (2) is the map of the prior's
              own bounds. With (4) the flow has to learn only what is not linear.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import npe
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((2000, 1))
>>> x = theta + 0.5 * rng.standard_normal((2000, 1))
>>> prior = priors.Normal([0.0], [1.0])
>>> posterior = npe.fit(prior, theta, x, rng=rng, n_transforms=1, hidden=(8,), max_epochs=5)
>>> draws = posterior.sample(rng, 1000, np.array([1.0]))              # exact: mean 0.8, deviation 0.45
>>> print(draws.shape, round(float(draws.mean()), 1), round(float(draws.std()), 1))
(1000, 1) 0.8 0.4
"""
from collections.abc import Callable
from functools import partial
from os import PathLike

import autograd.numpy as np
from autograd import value_and_grad

from reference.density import maf, mdn
from reference.inference.description import name_of
from reference.inference.inputs import check_simulations, compress
from reference.inference.npe_posterior import Posterior, embed, load
from reference.nets import dense
from reference.preprocessing.regression import fit_regression
from reference.preprocessing.training_domain import features, fit_training_domain
from reference.runtime.protocols import Array, Density, Params, Prior, Rng
from reference.training import minibatch, optim
from reference.training.inputs import Objective

__all__ = ["Posterior", "init_params", "loss", "loss_and_grad", "fit", "load"]


def init_params(rng: Rng, *, dim: int, context_dim: int, embedding: tuple[int, ...] = (),
                density: Density = maf, n_transforms: int | None = None,
                hidden: tuple[int, ...] = (50, 50)) -> Params:
    """The embedding network and the flow that it feeds.

    Parameters
    ----------
    rng : Generator
    dim, context_dim : int
        P and C.
    embedding : tuple of int
        Sizes of the embedding network's hidden layers and output; empty for none.
    density : module
        The flow, `density.maf`, `density.nsf` or `density.realnvp`, or `density.mdn`.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number. For mdn None.
    hidden : tuple of int
        The hidden sizes of each transform.

    Raises
    ------
    ValueError
        If n_transforms is given for mdn.
    """
    if density is mdn and n_transforms is not None:
        raise ValueError("n_transforms: expected None for mdn, which has no transforms, "
                         f"got {n_transforms!r}")
    sizes, chosen = (context_dim, *embedding), {} if n_transforms is None else {"n_transforms": n_transforms}
    return {"embedding": dense.init_mlp(rng, sizes),
            "flow": density.init_params(rng, dim=dim, context_dim=sizes[-1], hidden=hidden, **chosen)}


def loss(params: Params, v: Array, c: Array, *, density: Density = maf) -> Array:
    """The loss (6), in nats of v.

    Parameters
    ----------
    params : tree
        From `init_params`.
    v : (N, P) float
        Whitened parameters.
    c : (N, C) float
        The context of each.
    density : module
        That of params.
    """
    return density.loss(params["flow"], v, embed(params, c))                                  # (6)


def loss_and_grad(params: Params, v: Array, c: Array, *, density: Density = maf) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params.

    Parameters
    ----------
    params, v, c, density
        As in `loss`.
    """
    return value_and_grad(partial(loss, density=density))(params, v, c)


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, embedding: tuple[int, ...] = (),
        n_components: int | None = None, density: Density = maf, n_transforms: int | None = None,
        hidden: tuple[int, ...] = (50, 50), learning_rate: float = 5e-3, batch_size: int = 200,
        max_epochs: int = 200, patience: int = 40, validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Posterior:
    """Train a posterior on simulations.

    Parameters
    ----------
    prior
        From `priors`: what theta was drawn from.
    theta : (N, P) float
        Parameters, all inside the prior.
    x : (N, D) float
        The simulated data, row by row.
    rng : Generator
        Initial weights, split and shuffles.
    embedding : tuple of int
        Sizes of an embedding network's hidden layers and output, such as (64, 64, 8); empty for none.
    n_components : int, optional
        Compress the data to this number of PCA scores first. The data must share a unit, as the bins of a
        spectrum do: they are not scaled one by one, which would give bins of noise the weight of bins that
        carry the signal.
    density : module
        The flow, `density.maf`, `density.nsf` or `density.realnvp`, or `density.mdn`, a mixture of eight
        normal densities.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number: 5 for maf, 3 for nsf, 6 for realnvp. For
        mdn None.
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
    u, log_det = prior.to_unconstrained(theta)                                                # (2)
    compression, scaling, c = compress(x, n_components)                                       # (3)
    whitening = fit_regression(u, c)
    params = init_params(rng, dim=u.shape[1], context_dim=c.shape[1], embedding=embedding, density=density,
                         n_transforms=n_transforms, hidden=hidden)
    model = Objective(partial(loss, density=density),
                      partial(loss_and_grad, density=density))
    trained = minibatch.train(
        model, params, (whitening.whiten(u, c), c), rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience, clip_norm=clip_norm,
        validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
        progress=progress)                                                                    # (4), (6)
    validation_log_prob = -trained.loss + float(whitening.log_det) + float(np.mean(log_det))
    return Posterior(prior, density, trained.params, whitening, compression, scaling, validation_log_prob,
                     trained.history, fit_training_domain(features(x, c, compression)))
