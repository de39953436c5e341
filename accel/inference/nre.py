"""Neural ratio estimation: a classifier of matched and mismatched pairs, trained on simulations, that stands for the likelihood.

The mathematics is in `reference.inference.nre`. Same values; everything runs in the dtype and on the device of the simulations, what
the classifier needs of each θ and x is computed once before training, and the gradient that a sampler climbs is written by hand: from
that of a row [u, s, g], with s = L⁻¹u and g = const − log p(u),

    du ← du + L⁻ᵀ ds − ∇log p(u)
"""
import math
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np

from accel import priors
from accel.runtime import checks, persistence
from accel.training import minibatch, optim
from accel.preprocessing.regression import Regression, fit_regression
from accel.preprocessing.scaling import Scaling, fit_scaling
from accel.runtime.tree import packed
from accel.device import array_module, like, put
from accel.inference import importance, run_chains, ratio
from accel.inference.npe import check_observation, check_simulations, data_moments
from accel.representation import pca

__all__ = ["Posterior", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A trained ratio, and with it the posterior for any observation, on the device and in the dtype of its simulations."""
    prior: object
    params: dict
    regression: Regression
    compression: object
    scaling: Scaling
    history: dict

    def context(self, x):
        """c for data x (M, D): the data or their PCA scores, standardised as in training, (M, C)."""
        return self.scaling.apply(x if self.compression is None else self.compression.transform(x))

    def log_ratio(self, theta, x):
        """log r(x, θ), (N,) in nats, for θ (N, P) and one observation (D,) or one for each θ (N, D); −inf outside the prior."""
        x, single = check_observation(x, data_moments(self))
        theta = checks.as_array("theta", theta, ("N", self.prior.dim)).astype(x.dtype, copy=False)
        if not single and len(x) != len(theta):
            raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta, got {len(x)}")
        u, _, inside = priors.unconstrained_inside(self.prior, theta)
        x_rows = ratio.x_rows_of(self.regression, self.context(x))
        log_r = ratio.log_ratio(self.params, ratio.theta_rows_of(self.prior, self.regression, u), x_rows)
        return array_module(u).where(inside, log_r, -np.inf)

    def log_prob(self, theta, x):
        """log r(x, θ) + log p(θ), (N,): log p(θ|x), normalised only as well as the ratio was learnt; −inf outside the prior."""
        return self.log_ratio(theta, x) + self.prior.log_prob(theta)

    def candidates(self, rng, n, x):
        """n draws for one observation x (D,), half of them from the prior, weighted by (6): an importance.Weighted."""
        x, _ = check_observation(checks.as_array("x", x, ("D",)), data_moments(self))
        c, n_prior = self.context(x), (checks.check_count("n", n, least=2) + 1) // 2
        of_prior = self.prior.to_unconstrained(self.prior.sample(rng, n_prior))[0]
        z = rng.standard_normal((1, n - n_prior, self.prior.unconstrained_dim))
        u = array_module(c).empty((n, z.shape[2]), c.dtype)
        u[:n_prior], u[n_prior:] = like(c, of_prior), self.regression.undo(like(c, z), c)[0]
        theta_rows, x_rows = ratio.theta_rows_of(self.prior, self.regression, u), ratio.x_rows_of(self.regression, c)
        log_r0, _ = ratio.linear_log_ratio(theta_rows, x_rows)
        log_weight = ratio.log_ratio(self.params, theta_rows, x_rows)
        log_weight -= array_module(c).logaddexp(log_r0, 0, out=log_r0)
        log_weight += math.log(2)
        return importance.weigh(self.prior.to_constrained(u)[0], log_weight)

    def target(self, x):
        """What a sampler walks on for one observation x (D,): an run_chains.Target, whose likelihood is the ratio."""
        x, _ = check_observation(checks.as_array("x", x, ("D",)), data_moments(self))
        x_rows = ratio.x_rows_of(self.regression, self.context(x))
        inverse, dim = array_module(x).linalg.inv(self.regression.factor), self.prior.unconstrained_dim

        def log_r(u):
            return ratio.log_ratio(self.params, ratio.theta_rows_of(self.prior, self.regression, like(x, u)), x_rows)

        def log_r_and_grad(u):
            u = like(x, u)
            value, drows = ratio.log_ratio_and_grad(self.params, ratio.theta_rows_of(self.prior, self.regression, u), x_rows)
            du = drows[:, dim:-1] @ inverse
            du += drows[:, :dim]
            du -= self.prior.unconstrained_log_prob_and_grad(u)[1]
            return value, du
        return run_chains.Target(self.prior, log_r, log_r_and_grad)

    def sample(self, rng, n, x, *, sampler=None, n_candidates=100_000, n_chains=50, n_warmup=200, thin=10, progress=False):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D), one after another: (M, n, P)."""
        x, single = check_observation(x, data_moments(self))
        checks.check_count("n", n)
        if sampler is None:
            drawn = [importance.resample(rng, n, self.candidates(rng, n_candidates, one)) for one in x]
        else:
            drawn = [run_chains.sample(rng, self.target(one), n, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin,
                                 n_candidates=n_candidates, progress=progress).theta for one in x]
        return drawn[0] if single else array_module(x).stack(drawn)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "nre", describe(self))


def fit(prior, theta, x, *, rng, n_components=None, n_contrastive=5, balance=0.0, hidden=(64, 64, 64), learning_rate=5e-3,
        batch_size=200, max_epochs=100, patience=20, validation_fraction=0.1, clip_norm=5.0, schedule=optim.one_cycle, checkpoint=None,
        progress=False):
    """Train a ratio on simulations; they decide the device and the dtype."""
    theta, x = check_simulations(prior, theta, x)
    settings = check_settings(n_contrastive, balance)
    u, _ = prior.to_unconstrained(theta)
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    summary = x if compression is None else compression.transform(x)
    scaling = fit_scaling(summary)
    c = scaling.apply(summary)
    regression = fit_regression(u, c)
    model = SimpleNamespace(**{name: partial(getattr(ratio, name), **settings) for name in ("loss", "loss_and_grad", "fused")})
    trained = minibatch.train(
        model, put(ratio.init_params(rng, dim=u.shape[1], context_dim=c.shape[1], hidden=hidden), array_module(u), u.dtype),
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
    return Posterior(priors.restore(tree["prior"]), packed(tree["params"]), Regression(**tree["regression"]),
                     None if compression is None else pca.PCA(**compression), Scaling(**tree["scaling"]), tree["history"])


def check_settings(n_contrastive, balance):
    """K and λ by name, or a ValueError."""
    return {"n_contrastive": checks.check_count("n_contrastive", n_contrastive),
            "balance": balance if balance == 0 else checks.check_positive("balance", balance)}
