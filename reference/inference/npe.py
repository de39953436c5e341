"""Neural posterior estimation: a conditional flow, trained on simulations, that is the posterior for any observation.

    (1)  θⱼ ~ p(θ),  xⱼ ~ p(x|θⱼ)                             the simulations: pairs from the joint density
    (2)  u = T(θ)                                             the prior's unconstrained space
    (3)  c = c(x)                                             the data, or their PCA scores, standardised
    (4)  v = L⁻¹ (u − [1, c] A)                               what a linear regression on c leaves, whitened (preprocessing.regression)
    (5)  loss = −(1/N) ∑ⱼ log q_φ(vⱼ | e_φ(cⱼ))               e: an embedding network, or nothing
    (6)  log q(θ|x) = log q_φ(v | e_φ(c)) + log|det ∂v/∂u| + log|det ∂T/∂θ|
    (7)  θ = T⁻¹([1, c] A + L v),  v ~ q_φ(· | e_φ(c))        so that no sample can fall outside the prior

The minimum of (5) over all densities q is the posterior p(v|x), since its expectation is the cross-entropy of the two.

Shapes        N simulations, P parameters, D data, C context, M observations, n draws; θ (N, P), x (N, D).
Conventions   nats. The flow is a MAF, a neural spline flow or a RealNVP, and a mixture density network may stand in its place; its
              context is e(c). With an embedding its weights are trained along with the flow.
Source        "Fast ε-free inference of simulation models with Bayesian conditional density estimation", Papamakarios and
              Murray, 2016, section 2; "Automatic posterior transformation", Greenberg, Nonnenmacher and Macke, 2019 (the
              flow); lecture S3, slides "Neural Posterior Estimation (NPE)".
Departures    S3 fits θ itself, scaled: mass can then leak outside the prior. (2) is the map of the prior's own bounds. (4)
              spares the flow what is linear: the experiment npe_benchmark reports what is left of the divergence from the
              exact posterior of a ten-dimensional linear-Gaussian problem.
"""
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import autograd.numpy as np
from autograd import value_and_grad

from reference import priors
from reference.nets import dense
from reference.runtime import checks, persistence
from reference.training import minibatch, optim
from reference.preprocessing.regression import Regression, fit_regression
from reference.preprocessing.scaling import Scaling, fit_scaling
from reference.preprocessing.training_domain import Support, features, fit_support
from reference.density import maf, mdn, nsf, realnvp
from reference.representation import pca

__all__ = ["Posterior", "init_params", "loss", "loss_and_grad", "fit", "load"]

FEWEST = 20
DENSITIES = {"maf": maf, "mdn": mdn, "nsf": nsf, "realnvp": realnvp}


def init_params(rng, *, dim, context_dim, embedding=(), density=maf, n_transforms=None, hidden=(50, 50)):
    """The embedding network, sizes (context_dim, *embedding), empty for none, and the flow that it feeds."""
    if density is mdn and n_transforms is not None:
        raise ValueError(f"n_transforms: expected None for mdn, which has no transforms, got {n_transforms!r}")
    sizes, chosen = (context_dim, *embedding), {} if n_transforms is None else {"n_transforms": n_transforms}
    return {"embedding": dense.init_mlp(rng, sizes),
            "flow": density.init_params(rng, dim=dim, context_dim=sizes[-1], hidden=hidden, **chosen)}


def embed(params, c):
    return dense.mlp(params["embedding"], c) if params["embedding"] else c


def loss(params, v, c, *, density=maf):
    """(5) for whitened v (N, P) and context c (N, C), in nats."""
    return density.loss(params["flow"], v, embed(params, c))                      # (5)


def loss_and_grad(params, v, c, *, density=maf):
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(partial(loss, density=density))(params, v, c)


@dataclass(frozen=True, eq=False)
class Posterior:
    """A trained posterior, for any observation.

    Attributes
    ----------
    prior
        From `priors`; it bounds every sample.
    density : module
        The flow's: `maf`, `nsf` or `realnvp`; or `mdn`.
    params : tree
        Of the embedding and the flow.
    whitening : Regression
        Of T(θ) on the context.
    compression : PCA or None
        Of the data, if asked for.
    scaling : Scaling
        Of the data, or of their PCA scores.
    validation_log_prob : float
        Mean log q(θ|x) over the simulations held out in training, nats; NaN when none were.
    history : dict
        The losses of the training, epoch by epoch, in nats of the whitened v.
    support : Support or None
        What the simulations cover; none in files of older versions.
    """
    prior: object
    density: object
    params: dict
    whitening: Regression
    compression: object
    scaling: Scaling
    validation_log_prob: float
    history: dict
    support: object = None

    def context(self, x):
        """What the network is fed for data x (M, D): the data or their PCA scores, standardised, (M, C)."""
        return self.scaling.apply(x if self.compression is None else self.compression.transform(x))   # (3)

    def sample(self, rng, n, x):
        """n draws of θ for one observation x (D,): (n, P); for M of them, x (M, D): (M, n, P)."""
        x, single = check_observation(x, data_moments(self))
        checks.check_count("n", n)
        theta = draw(self, rng, n, x)
        return theta[0] if single else theta

    def distance(self, x):
        """How far data x (M, D) lie from the simulations, (M,): above 1 farther than all but one in a thousand of them."""
        x, _ = check_observation(x, data_moments(self))
        if self.support is None:
            raise ValueError("support: expected a Support, got none: this posterior was saved by a version that did not measure it")
        return distance(self, x)

    def log_prob(self, theta, x):
        """log q(θ|x), (N,) in nats, for θ (N, P) and one observation (D,) or one for each θ (N, D); −inf outside the prior."""
        x, single = check_observation(x, data_moments(self))
        theta = checks.as_array("theta", theta, ("N", self.prior.dim))
        if not single and len(x) != len(theta):
            raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta, got {len(x)}")
        u, log_det, inside = priors.unconstrained_inside(self.prior, theta)
        c = self.context(x)
        v, context = self.whitening.whiten(u, c), embed(self.params, c)
        context = np.repeat(context, len(theta), axis=0) if single else context
        log_q = self.density.log_prob(self.params["flow"], v, context) + log_det + self.whitening.log_det   # (6)
        return np.where(inside, log_q, -np.inf)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "npe", describe(self))


def fit(prior, theta, x, *, rng, embedding=(), n_components=None, density=maf, n_transforms=None, hidden=(50, 50), learning_rate=5e-3,
        batch_size=200, max_epochs=200, patience=40, validation_fraction=0.1, clip_norm=5.0, schedule=optim.one_cycle, checkpoint=None,
        progress=False):
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
        Compress the data to so many PCA scores first. The data must share a unit, as the bins of a spectrum do: they are not
        scaled one by one, which would raise bins of noise to the rank of bins that carry the signal.
    density : module
        The flow, `density.maf`, `density.nsf` or `density.realnvp`, or `density.mdn`, a mixture of eight normal densities.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number: 5 for maf, 3 for nsf, 6 for realnvp. For mdn None.
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
    name_of(density)
    theta, x = check_simulations(prior, theta, x)
    u, log_det = prior.to_unconstrained(theta)                                    # (2)
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    summary = x if compression is None else compression.transform(x)
    scaling = fit_scaling(summary)
    context = scaling.apply(summary)                                                # (3)
    whitening = fit_regression(u, context)
    params = init_params(rng, dim=u.shape[1], context_dim=context.shape[1], embedding=embedding, density=density,
                         n_transforms=n_transforms, hidden=hidden)
    model = SimpleNamespace(loss=partial(loss, density=density), loss_and_grad=partial(loss_and_grad, density=density))
    trained = minibatch.train(
        model, params, (whitening.whiten(u, context), context), rng=rng, learning_rate=learning_rate, batch_size=batch_size,
        max_epochs=max_epochs, patience=patience, clip_norm=clip_norm, validation_fraction=validation_fraction, schedule=schedule,
        checkpoint=checkpoint, progress=progress)
    validation_log_prob = -trained.loss + float(whitening.log_det) + float(np.mean(log_det))
    return Posterior(prior, density, trained.params, whitening, compression, scaling, validation_log_prob, trained.history,
                     fit_support(features(x, context, compression)))


def draw(posterior, rng, n, x):
    """n draws of θ for each row of x (M, D), which nobody checks: (M, n, P)."""
    c = posterior.context(x)
    v = posterior.density.sample(posterior.params["flow"], rng, n, embed(posterior.params, c))
    u = posterior.whitening.undo(v, c)
    return posterior.prior.to_constrained(u.reshape(-1, u.shape[-1]))[0].reshape(*u.shape[:2], -1)         # (7)


def distance(posterior, x):
    return posterior.support.distance(features(x, posterior.context(x), posterior.compression))


def load(path):
    """The posterior that `Posterior.save` wrote."""
    return restore(persistence.load(path, "npe"))


def describe(posterior):
    """The posterior as a tree of plain values and arrays."""
    def plain(fitted):
        return None if fitted is None else fitted._asdict()
    return {"prior": priors.describe(posterior.prior), "density": name_of(posterior.density), "params": posterior.params,
            "whitening": plain(posterior.whitening), "compression": plain(posterior.compression),
            "scaling": plain(posterior.scaling), "validation_log_prob": posterior.validation_log_prob,
            "history": posterior.history, "support": plain(posterior.support)}


def restore(tree):
    def fitted(kind, fields):
        return None if fields is None else kind(**fields)
    return Posterior(
        prior=priors.restore(tree["prior"]), density=density_of(tree["density"]), params=tree["params"],
        whitening=fitted(Regression, tree["whitening"]),
        compression=fitted(pca.PCA, tree["compression"]), scaling=fitted(Scaling, tree["scaling"]),
        validation_log_prob=tree["validation_log_prob"], history=tree["history"],
        support=fitted(Support, tree.get("support")))              # files of older versions have none


def name_of(density):
    """The short name of a density that a posterior can have, or a ValueError."""
    for name, module in DENSITIES.items():
        if module is density:
            return name
    raise ValueError(f"density: expected a module, one of {', '.join(DENSITIES)} of this package, got {density!r}")


def density_of(name):
    """The density of that name, or a ValueError."""
    if name not in DENSITIES:
        raise ValueError(f"density: expected one of {', '.join(map(repr, DENSITIES))}, got {name!r}")
    return DENSITIES[name]


def data_moments(posterior):
    """The mean of the data, (D,): its length and dtype are those of an observation."""
    return posterior.scaling.mean if posterior.compression is None else posterior.compression.mean


def check_simulations(prior, theta, x):
    """theta and x as finite arrays with as many rows, all of theta inside the prior, or a ValueError."""
    theta = checks.as_array("theta", theta, ("N", prior.dim))
    x = checks.as_array("x", x, (len(theta), "D"))
    checks.check_count("theta: number of simulations", len(theta), least=FEWEST)
    checks.check_finite("theta", theta)
    checks.check_finite("x", x)
    priors.check_inside("theta", prior, theta)
    return theta, x


def check_observation(x, like):
    """One or more observations as (M, D), D the length of `like`, and whether it was one."""
    x = checks.as_array("x", x)
    single = x.ndim == 1
    x = x[None] if single else x
    checks.check_shape("x", x, ("M", len(like)))
    checks.check_finite("x", x)
    return x, single
