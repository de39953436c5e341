"""Neural ratio estimation: a classifier of matched and mismatched pairs, trained on simulations, that stands for the likelihood.

    (1)  u = T(θ)                                             the prior's unconstrained space
    (2)  c = c(x)                                             the data, or their PCA scores, standardised
    (3)  log r(x, θ) = f(u, c)                                the logit of the classifier (inference.ratio)
    (4)  p(θ|x) = r(x, θ) p(θ)
    (5)  ∫ r(x, θ) p(θ) dθ = 1                                no one enforces it: it is the check of (3)
    (6)  u ~ p(u) or, as often, u = [1, c] A + L z, z ~ N(0, I);   w = r/(½ + ½ r₀)

(6) are candidates and their weights, from which draws are resampled: those of the prior reach wherever the posterior may be, and
those of the regression behind r₀ are near it where the posterior is narrow. No weight exceeds 2r.

Shapes        N simulations, P parameters, D data, C context, M observations, n draws; θ (N, P), x (N, D).
Conventions   nats.
Source        "Likelihood-free MCMC with amortized approximate ratio estimators", Hermans, Begy and Louppe, 2020; (6) is a defensive
              mixture, "Weighted average importance sampling and defensive mixture distributions", Hesterberg, 1995; lecture S3,
              slides "Neural Ratio Estimation (NRE)".
Departures    S3 asks about an observation that was not scaled like the training data, and goes on with the last network of the
              training: here (2) is one function, and the best network on held-out simulations is kept as a copy. S3 weighs draws
              of the prior alone, few of which fall where ten parameters are known well.
"""
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import autograd.numpy as np
from autograd import make_vjp

from reference import priors
from reference.runtime import checks, persistence
from reference.training import minibatch, optim
from reference.preprocessing.regression import Regression, fit_regression
from reference.preprocessing.scaling import Scaling, fit_scaling
from reference.inference import importance, run_chains, ratio
from reference.inference.npe import check_observation, check_simulations, data_moments
from reference.representation import pca

__all__ = ["Posterior", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A trained ratio, and with it the posterior for any observation.

    Attributes
    ----------
    prior
        From `priors`; it bounds every sample.
    params : tree
        Of the network.
    regression : Regression
        Of T(θ) on the context.
    compression : PCA or None
        Of the data, if asked for.
    scaling : Scaling
        Of the data, or of their PCA scores.
    history : dict
        The losses of the training, epoch by epoch.
    """
    prior: object
    params: dict
    regression: Regression
    compression: object
    scaling: Scaling
    history: dict

    def context(self, x):
        """c for data x (M, D): the data or their PCA scores, standardised as in training, (M, C)."""
        return self.scaling.apply(x if self.compression is None else self.compression.transform(x))   # (2)

    def log_ratio(self, theta, x):
        """log r(x, θ), (N,) in nats, for θ (N, P) and one observation (D,) or one for each θ (N, D); −inf outside the prior."""
        x, single = check_observation(x, data_moments(self))
        theta = checks.as_array("theta", theta, ("N", self.prior.dim))
        if not single and len(x) != len(theta):
            raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta, got {len(x)}")
        u, _, inside = priors.unconstrained_inside(self.prior, theta)
        x_rows = ratio.x_rows_of(self.regression, self.context(x))
        return np.where(inside, ratio.log_ratio(self.params, ratio.theta_rows_of(self.prior, self.regression, u), x_rows), -np.inf)

    def log_prob(self, theta, x):
        """log r(x, θ) + log p(θ), (N,): log p(θ|x), normalised only as well as the ratio was learnt; −inf outside the prior."""
        return self.log_ratio(theta, x) + self.prior.log_prob(theta)                                  # (4)

    def candidates(self, rng, n, x):
        """n draws for one observation x (D,), half of them from the prior, weighted by (6): an importance.Weighted."""
        x, _ = check_observation(checks.as_array("x", x, ("D",)), data_moments(self))
        c, n_prior = self.context(x), (checks.check_count("n", n, least=2) + 1) // 2
        of_prior = self.prior.to_unconstrained(self.prior.sample(rng, n_prior))[0]
        z = rng.standard_normal((1, n - n_prior, self.prior.unconstrained_dim))
        u = np.concatenate((of_prior, self.regression.undo(z, c)[0]))
        theta_rows, x_rows = ratio.theta_rows_of(self.prior, self.regression, u), ratio.x_rows_of(self.regression, c)
        log_r0, _ = ratio.linear_log_ratio(theta_rows, x_rows)
        log_weight = ratio.log_ratio(self.params, theta_rows, x_rows) - np.logaddexp(log_r0, 0) + np.log(2)                     # (6)
        return importance.weigh(self.prior.to_constrained(u)[0], log_weight)

    def target(self, x):
        """What a sampler walks on for one observation x (D,): an run_chains.Target, whose likelihood is the ratio."""
        x, _ = check_observation(checks.as_array("x", x, ("D",)), data_moments(self))
        x_rows = ratio.x_rows_of(self.regression, self.context(x))

        def log_r(u):
            return ratio.log_ratio(self.params, ratio.theta_rows_of(self.prior, self.regression, u), x_rows)

        def log_r_and_grad(u):
            vjp, value = make_vjp(log_r)(u)
            return value, vjp(np.ones_like(value))
        return run_chains.Target(self.prior, log_r, log_r_and_grad)

    def sample(self, rng, n, x, *, sampler=None, n_candidates=100_000, n_chains=50, n_warmup=200, thin=10, progress=False):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D), one after another: (M, n, P).

        Parameters
        ----------
        sampler : module, optional
            By default none: the draws are resampled from n_candidates weighted ones, with a warning where these are worth fewer than
            n. `slice_sampler`, `hmc` and their like walk on the target instead, which stays cheap where the posterior is narrow.
        n_candidates, n_chains, n_warmup, thin, progress
            As in `mcmc.sample`; the last four are for a sampler.
        """
        x, single = check_observation(x, data_moments(self))
        checks.check_count("n", n)
        if sampler is None:
            drawn = [importance.resample(rng, n, self.candidates(rng, n_candidates, one)) for one in x]
        else:
            drawn = [run_chains.sample(rng, self.target(one), n, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin,
                                 n_candidates=n_candidates, progress=progress).theta for one in x]
        return drawn[0] if single else np.stack(drawn)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "nre", describe(self))


def fit(prior, theta, x, *, rng, n_components=None, n_contrastive=5, balance=0.0, hidden=(64, 64, 64), learning_rate=5e-3,
        batch_size=200, max_epochs=100, patience=20, validation_fraction=0.1, clip_norm=5.0, schedule=optim.one_cycle, checkpoint=None,
        progress=False):
    """Train a ratio on simulations.

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
    n_components : int, optional
        Compress the data, which must then share a unit, to so many PCA scores first, as in `npe.fit`.
    n_contrastive : int
        K, the mismatched parameters for each x; 1 is the binary loss.
    balance : float
        λ, the weight of the balancing term; its authors use 100.
    hidden : tuple of int
        The hidden sizes of the network.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm, schedule, checkpoint, progress
        As in `training.train`.

    Raises
    ------
    ValueError
        If there are fewer than 20 simulations, numbers are not finite, a theta is outside the prior, or shapes or settings do
        not fit.
    """
    theta, x = check_simulations(prior, theta, x)
    settings = check_settings(n_contrastive, balance)
    u, _ = prior.to_unconstrained(theta)                                                              # (1)
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    summary = x if compression is None else compression.transform(x)
    scaling = fit_scaling(summary)
    c = scaling.apply(summary)                                                                        # (2)
    regression = fit_regression(u, c)
    model = SimpleNamespace(loss=partial(ratio.loss, **settings), loss_and_grad=partial(ratio.loss_and_grad, **settings))
    trained = minibatch.train(
        model, ratio.init_params(rng, dim=u.shape[1], context_dim=c.shape[1], hidden=hidden),
        (ratio.theta_rows_of(prior, regression, u), ratio.x_rows_of(regression, c)), rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm,
        schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Posterior(prior, trained.params, regression, compression, scaling, trained.history)


def load(path):
    """The posterior that `Posterior.save` wrote."""
    return restore(persistence.load(path, "nre"))


def describe(posterior):
    """The posterior as a tree of plain values and arrays."""
    compression = posterior.compression
    return {"prior": priors.describe(posterior.prior), "params": posterior.params, "regression": posterior.regression._asdict(),
            "compression": None if compression is None else compression._asdict(), "scaling": posterior.scaling._asdict(),
            "history": posterior.history}


def restore(tree):
    compression = tree["compression"]
    return Posterior(priors.restore(tree["prior"]), tree["params"], Regression(**tree["regression"]),
                     None if compression is None else pca.PCA(**compression), Scaling(**tree["scaling"]), tree["history"])


def check_settings(n_contrastive, balance):
    """K and λ by name, or a ValueError."""
    return {"n_contrastive": checks.check_count("n_contrastive", n_contrastive),
            "balance": balance if balance == 0 else checks.check_positive("balance", balance)}
