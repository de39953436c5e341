"""Neural likelihood estimation: a conditional density of the data given the parameters, sampled by MCMC over the prior.

    (1)  θⱼ ~ p(θ),  xⱼ ~ p(x|θⱼ)                             the simulations: pairs from the joint density
    (2)  c = (T(θ) − m)/s                                     the prior's unconstrained space u = T(θ), standardised
    (3)  v = L⁻¹ (y − [1, c] A)                               y: data or their PCA scores, standardised; v: what a regression on c leaves
    (4)  loss = −(1/N) ∑ⱼ log q_φ(vⱼ|cⱼ)
    (5)  log q(x|θ) = log q_φ(v|c) + log|det ∂v/∂y| + log|det ∂y/∂x|
    (6)  ∂ log q(x|θ)/∂u = [∂ log q_φ/∂c − A₁ L⁻ᵀ ∂ log q_φ/∂v] / s              A₁: A without the constant's row
    (7)  p(θ|x₁ … x_T) ∝ p(θ) ∏ₜ q(xₜ|θ)                      T observations of one θ; T = 1 unless they are said to be iid

The minimum of (4) over all densities q is the likelihood. Unlike a posterior, it is learnt without regard to the prior's weights,
and one fit serves any number of independent observations; the price is a Markov chain for each question.

Shapes        N simulations, P parameters, D data, M observations, T observations of one θ, n draws; θ (N, P), u (N, P′), x (N, D).
Conventions   nats. q_φ is a MAF, a neural spline flow, a RealNVP or a mixture density network. With n_components (5) is the density of
              the PCA scores, in the units of x: the likelihood of the compressed data, whose posterior is wider where the
              compression loses something.
Source        "Sequential neural likelihood", Papamakarios, Sterratt and Murray, 2019, section 3 (without the rounds); lecture S2, slides
              on neural likelihood estimation.
Departures    (3) spares the density what is linear, as in npe: a linear-Gaussian problem leaves a standard normal v.
"""
from dataclasses import dataclass

import numpy as np

from reference import priors
from reference.runtime import checks, persistence
from reference.training import minibatch, optim
from reference.preprocessing.regression import Regression, fit_regression
from reference.preprocessing.scaling import Scaling, fit_scaling
from reference.density import maf
from reference.inference import hmc, run_chains, npe
from reference.representation import pca

__all__ = ["Posterior", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A trained likelihood and its prior: the posterior for any observation, up to its normalisation.

    Attributes
    ----------
    prior
        From `priors`; it bounds every sample.
    density : module
        The likelihood's: `maf`, `nsf`, `realnvp` or `mdn`.
    params : tree
        Of the density.
    standardisation : Scaling
        Of T(θ).
    whitening : Regression
        Of the data on T(θ).
    compression : PCA or None
        Of the data, if asked for.
    scaling : Scaling
        Of the data, or of their PCA scores.
    validation_log_prob : float
        Mean log q(x|θ) over the simulations held out in training, nats; NaN when none were.
    history : dict
        The losses of the training, epoch by epoch, in nats of the whitened v.
    """
    prior: object
    density: object
    params: dict
    standardisation: Scaling
    whitening: Regression
    compression: object
    scaling: Scaling
    validation_log_prob: float
    history: dict

    def summary(self, x):
        """y of (3) for data x (M, D): the data or their PCA scores, standardised."""
        return self.scaling.apply(x if self.compression is None else self.compression.transform(x))

    def log_likelihood(self, theta, x, *, iid=False):
        """log q(x|θ), (N,) in nats; −inf outside the prior, where nothing was learnt.

        Parameters
        ----------
        theta : (N, P) float
        x : (D,) or (N, D) or (T, D) float
            One observation, or one for each theta; with iid=True, T independent observations of one θ, whose terms are added.
        iid : bool
        """
        x, single = npe.check_observation(x, npe.data_moments(self))
        theta = checks.as_array("theta", theta, ("N", self.prior.dim))
        if not single and not iid and len(x) != len(theta):
            raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta, or iid=True, got {len(x)}")
        u, _, inside = priors.unconstrained_inside(self.prior, theta)
        y = self.summary(x)
        log_q = sum(self._terms(u, one)[0] for one in y[:, None]) if single or iid else self._terms(u, y)[0]
        return np.where(inside, log_q, -np.inf)

    def log_prob(self, theta, x, *, iid=False):
        """log q(x|θ) + log p(θ), (N,): the log-posterior up to a constant in θ; arguments as of log_likelihood."""
        return self.log_likelihood(theta, x, iid=iid) + self.prior.log_prob(theta)                            # (7)

    def target(self, x, *, iid=False):
        """What a sampler walks on for one observation x (D,), or T of them with iid=True, x (T, D): an `mcmc.Target`."""
        x, single = npe.check_observation(x, npe.data_moments(self))
        if not single and not iid:
            raise ValueError(f"x: expected one observation ({x.shape[1]},), or several of one theta and iid=True, got {len(x)}")
        y = self.summary(x)[:, None]
        return run_chains.Target(self.prior, lambda u: sum(self._terms(u, one)[0] for one in y),
                           lambda u: tuple(map(sum, zip(*(self._terms(u, one, slope=True) for one in y)))))

    def sample(self, rng, n, x, *, iid=False, sampler=hmc, n_chains=50, n_warmup=200, thin=10, n_candidates=10_000,
               progress=False):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D), one after another: (M, n, P).

        Parameters
        ----------
        iid : bool
            Whether the rows of x (T, D) are independent observations of one θ, answered together: (n, P).
        sampler : module
            `hmc`, which uses (6), or another of `mcmc.sample`'s.
        n_chains, n_warmup, thin, n_candidates, progress
            As in `mcmc.sample`.
        """
        x, single = npe.check_observation(x, npe.data_moments(self))
        theta = [run_chains.sample(rng, self.target(one, iid=True), n, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin,
                             n_candidates=n_candidates, progress=progress).theta for one in (x[None] if single or iid else x[:, None])]
        return theta[0] if single or iid else np.stack(theta)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "nle", describe(self))

    def _terms(self, u, y, *, slope=False):
        """log q(x|θ) (N,) for u (N, P′) and y (N, C), or (1, C) for all, and its gradient in u (N, P′), or None."""
        c = self.standardisation.apply(u)                                                                     # (2)
        v, constant = self.whitening.whiten(y, c), self.whitening.log_det + self.scaling.log_det              # (3)
        if not slope:
            return self.density.log_prob(self.params, v, c) + constant, None                                  # (5)
        log_q, dv, dc = self.density.log_prob_and_grad(self.params, v, c)
        dy = np.linalg.solve(self.whitening.factor.T, dv.T).T
        return log_q + constant, (dc - dy @ self.whitening.coefficients[1:].T) / self.standardisation.std     # (6)


def fit(prior, theta, x, *, rng, n_components=None, density=maf, n_transforms=None, hidden=(50, 50), learning_rate=5e-3, batch_size=200,
        max_epochs=200, patience=40, validation_fraction=0.1, clip_norm=5.0, schedule=optim.one_cycle, checkpoint=None, progress=False):
    """Train a likelihood on simulations.

    Parameters
    ----------
    prior
        From `priors`. The simulations may come from another density of theta: a likelihood does not ask which.
    theta : (N, P) float
        Parameters, all inside the prior.
    x : (N, D) float
        The simulated data, row by row.
    rng : Generator
        Initial weights, split and shuffles.
    n_components : int, optional
        Learn the density of so many PCA scores of the data instead. The data must share a unit, as in `npe.fit`.
    density : module
        `density.maf`, `density.nsf`, `density.realnvp` or `density.mdn`.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number. For mdn None.
    hidden : tuple of int
        The hidden sizes of each transform.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm, schedule, checkpoint, progress
        As in `training.train`.

    Raises
    ------
    ValueError
        If there are fewer than 20 simulations, numbers are not finite, a theta is outside the prior, shapes do not fit, or the
        density is none of these.
    """
    npe.name_of(density)
    theta, x = npe.check_simulations(prior, theta, x)
    u, _ = prior.to_unconstrained(theta)
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    summary = x if compression is None else compression.transform(x)
    standardisation, scaling = fit_scaling(u), fit_scaling(summary)
    c, y = standardisation.apply(u), scaling.apply(summary)                                                   # (2)
    whitening = fit_regression(y, c)
    params = npe.init_params(rng, dim=y.shape[1], context_dim=c.shape[1], density=density, n_transforms=n_transforms, hidden=hidden)["flow"]
    trained = minibatch.train(
        density, params, (whitening.whiten(y, c), c), rng=rng, learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
        patience=patience, clip_norm=clip_norm, validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
        progress=progress)                                                                                    # (4)
    validation_log_prob = -trained.loss + float(whitening.log_det) + float(scaling.log_det)
    return Posterior(prior, density, trained.params, standardisation, whitening, compression, scaling, validation_log_prob,
                     trained.history)


def load(path):
    """The posterior that `Posterior.save` wrote."""
    tree = persistence.load(path, "nle")
    compression = None if tree["compression"] is None else pca.PCA(**tree["compression"])
    return Posterior(
        prior=priors.restore(tree["prior"]), density=npe.density_of(tree["density"]), params=tree["params"],
        standardisation=Scaling(**tree["standardisation"]), whitening=Regression(**tree["whitening"]), compression=compression,
        scaling=Scaling(**tree["scaling"]), validation_log_prob=tree["validation_log_prob"], history=tree["history"])


def describe(posterior):
    """The posterior as a tree of plain values and arrays."""
    compression = posterior.compression
    return {"prior": priors.describe(posterior.prior), "density": npe.name_of(posterior.density), "params": posterior.params,
            "standardisation": posterior.standardisation._asdict(), "whitening": posterior.whitening._asdict(),
            "compression": None if compression is None else compression._asdict(), "scaling": posterior.scaling._asdict(),
            "validation_log_prob": posterior.validation_log_prob, "history": posterior.history}
