"""Neural likelihood estimation: a conditional density of the data given the parameters, sampled by MCMC over the prior.

The mathematics is in `reference.inference.nle`. Same values, in the dtype and on the device of the simulations. A sampler asks for
one observation many times, so that what does not depend on θ is computed once for it, and the T observations of one θ go through
the density as one batch of T·N rows:

    v = v₀ − c B,   v₀ = L⁻¹ (y − A₀),  B = A₁ L⁻ᵀ            A₀, A₁: the constant's row of A and the others
    du = (dc − dv Bᵀ)/s                                       dv and dc from the density's walk back (accel.density)
"""
from dataclasses import dataclass

import numpy as np

from accel import priors
from accel.runtime import checks, persistence
from accel.training import minibatch, optim
from accel.preprocessing.regression import Regression, fit_regression
from accel.preprocessing.scaling import Scaling, fit_scaling
from accel.runtime.tree import packed
from accel.density import maf
from accel.device import array_module, put
from accel.inference import hmc, run_chains, npe
from accel.representation import pca

__all__ = ["Posterior", "fit", "load"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A trained likelihood and its prior: the posterior for any observation, up to its normalisation; where its simulations were."""
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
        """log q(x|θ), (N,) in nats, for one observation x (D,), one for each theta (N, D), or T of one θ (T, D) with iid=True."""
        x, single = npe.check_observation(x, npe.data_moments(self))
        theta = checks.as_array("theta", theta, ("N", self.prior.dim)).astype(x.dtype, copy=False)
        if not single and not iid and len(x) != len(theta):
            raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta, or iid=True, got {len(x)}")
        u, _, inside = priors.unconstrained_inside(self.prior, theta)
        rest, slopes = self._fixed(x)
        log_q, _ = self._terms(u, rest[:, None] if single or iid else rest[None], slopes)
        return array_module(u).where(inside, log_q, -np.inf)

    def log_prob(self, theta, x, *, iid=False):
        """log q(x|θ) + log p(θ), (N,): the log-posterior up to a constant in θ; arguments as of log_likelihood."""
        return self.log_likelihood(theta, x, iid=iid) + self.prior.log_prob(theta)

    def target(self, x, *, iid=False):
        """What a sampler walks on for one observation x (D,), or T of them with iid=True, x (T, D): an `mcmc.Target`."""
        x, single = npe.check_observation(x, npe.data_moments(self))
        if not single and not iid:
            raise ValueError(f"x: expected one observation ({x.shape[1]},), or several of one theta and iid=True, got {len(x)}")
        rest, slopes = self._fixed(x)
        return run_chains.Target(self.prior, lambda u: self._terms(u, rest[:, None], slopes)[0],
                           lambda u: self._terms(u, rest[:, None], slopes, slope=True))

    def sample(self, rng, n, x, *, iid=False, sampler=hmc, n_chains=50, n_warmup=200, thin=10, n_candidates=10_000,
               progress=False):
        """n draws of θ for one observation x (D,), or T of one θ with iid=True: (n, P); for M of them, x (M, D): (M, n, P)."""
        x, single = npe.check_observation(x, npe.data_moments(self))
        theta = [run_chains.sample(rng, self.target(one, iid=True), n, sampler=sampler, n_chains=n_chains, n_warmup=n_warmup, thin=thin,
                             n_candidates=n_candidates, progress=progress).theta for one in (x[None] if single or iid else x[:, None])]
        return theta[0] if single or iid else array_module(*theta).stack(theta)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "nle", describe(self))

    def _fixed(self, x):
        """v₀ for data x (M, D), (M, C), and B (P′, C)."""
        inverse = array_module(x).linalg.inv(self.whitening.factor).T
        return (self.summary(x) - self.whitening.coefficients[0]) @ inverse, self.whitening.coefficients[1:] @ inverse

    def _terms(self, u, rest, slopes, *, slope=False):
        """∑ₜ log q(xₜ|θ) (N,) for u (N, P′), v₀ (T, N or 1, C) and B, and its gradient in u (N, P′), or None."""
        c, xp = self.standardisation.apply(u), array_module(u)
        v, n_each, constant = rest - c @ slopes, len(rest), self.whitening.log_det + self.scaling.log_det
        v, context = v.reshape(-1, v.shape[-1]), xp.tile(c, (n_each, 1))
        if not slope:
            return self.density.log_prob(self.params, v, context).reshape(n_each, -1).sum(axis=0) + n_each * constant, None
        log_q, dv, dc = self.density.log_prob_and_grad(self.params, v, context)
        dc -= dv @ slopes.T
        du = dc.reshape(n_each, *c.shape).sum(axis=0)
        du /= self.standardisation.std
        return log_q.reshape(n_each, -1).sum(axis=0) + n_each * constant, du


def fit(prior, theta, x, *, rng, n_components=None, density=maf, n_transforms=None, hidden=(50, 50), learning_rate=5e-3, batch_size=200,
        max_epochs=200, patience=40, validation_fraction=0.1, clip_norm=5.0, schedule=optim.one_cycle, checkpoint=None, progress=False):
    """Train a likelihood on simulations; they decide the device and the dtype."""
    npe.name_of(density)
    theta, x = npe.check_simulations(prior, theta, x)
    u, _ = prior.to_unconstrained(theta)
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    summary = x if compression is None else compression.transform(x)
    standardisation, scaling = fit_scaling(u), fit_scaling(summary)
    c, y = standardisation.apply(u), scaling.apply(summary)
    whitening = fit_regression(y, c)
    params = npe.init_params(rng, dim=y.shape[1], context_dim=c.shape[1], density=density, n_transforms=n_transforms, hidden=hidden)["flow"]
    params = put(params, array_module(u), u.dtype)
    trained = minibatch.train(
        density, params, (whitening.whiten(y, c), c), rng=rng, learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
        patience=patience, clip_norm=clip_norm, validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
        progress=progress)
    validation_log_prob = -trained.loss + float(whitening.log_det) + float(scaling.log_det)
    return Posterior(prior, density, trained.params, standardisation, whitening, compression, scaling, validation_log_prob,
                     trained.history)


def load(path):
    """The posterior that `Posterior.save` wrote."""
    tree = persistence.load(path, "nle")
    compression = None if tree["compression"] is None else pca.PCA(**tree["compression"])
    return Posterior(
        prior=priors.restore(tree["prior"]), density=npe.density_of(tree["density"]), params=packed(tree["params"]),
        standardisation=Scaling(**tree["standardisation"]), whitening=Regression(**tree["whitening"]), compression=compression,
        scaling=Scaling(**tree["scaling"]), validation_log_prob=tree["validation_log_prob"], history=tree["history"])


def describe(posterior):
    """The posterior as a tree of plain values and arrays."""
    compression = posterior.compression
    return {"prior": priors.describe(posterior.prior), "density": npe.name_of(posterior.density), "params": posterior.params,
            "standardisation": posterior.standardisation._asdict(), "whitening": posterior.whitening._asdict(),
            "compression": None if compression is None else compression._asdict(), "scaling": posterior.scaling._asdict(),
            "validation_log_prob": posterior.validation_log_prob, "history": posterior.history}
