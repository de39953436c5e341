"""Neural posterior estimation: a conditional flow, trained on simulations, that is the posterior for any observation.

The mathematics is in `reference.inference.npe`. Same values; everything runs in the dtype and on the device of the simulations,
the parameters of embedding and flow lie in one buffer, and the gradient goes by hand through the flow into the embedding:

    dφ, de = backward through the flow (v, e)            accel.density, de summed over its transforms
    dψ     = backward through the network e_ψ(c) (de)    accel.nets.dense

Sampling embeds each observation once, and its draws are made a block of columns at a time; on a device one kernel takes them back
through (7), in place (`posterior.cu`).
"""
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np

from accel import priors
from accel.kernels import cuda
from accel.nets import dense
from accel.runtime import checks, persistence
from accel.training import minibatch, optim
from accel.preprocessing.regression import Regression, fit_regression
from accel.preprocessing.scaling import Scaling, fit_scaling
from accel.preprocessing.training_domain import Support, features, fit_support
from accel.runtime.tree import empty_like, packed
from accel.density import maf, mdn, nsf, realnvp
from accel.device import array_module, check_together, put
from accel.kernels.posterior import launch as posterior_kernel
from accel.representation import pca

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
    return density.loss(params["flow"], v, embed(params, c))


def loss_and_grad(params, v, c, *, density=maf):
    """The loss and its gradient, in the tree of params."""
    params = packed(params)
    grads = params.scratch("grads", lambda: empty_like(params))
    flow, layers = params["flow"], params["embedding"]
    if not layers:
        return density.write_grads(flow, grads["flow"], v, c), grads
    xp, n = array_module(params.flat), len(c)
    tape = params.scratch("tape", lambda: dense.Tape(xp, layers, n, params.flat.dtype), size=n)
    tape.inputs[0][1:] = c.T
    context = dense.forward(layers, tape)
    dcontext = params.scratch("dcontext", lambda: xp.empty_like(context), size=n)
    value = density.write_grads(flow, grads["flow"], v, context.T, dcontext)
    dense.backward(layers, tape, dcontext, grads["embedding"])
    return value, grads


def fused(params, data, batch_size, *, density):
    """The flow's fused step for `training.minibatch`; None where it has none or stands behind an embedding."""
    return density.fused(params["flow"], data, batch_size) if hasattr(density, "fused") and not params["embedding"] else None


@dataclass(frozen=True, eq=False)
class Posterior:
    """A trained posterior, for any observation, on the device and in the dtype of its simulations."""
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
        return self.scaling.apply(x if self.compression is None else self.compression.transform(x))

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
        theta = checks.as_array("theta", theta, ("N", self.prior.dim)).astype(x.dtype, copy=False)
        if not single and len(x) != len(theta):
            raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta, got {len(x)}")
        u, log_det, inside = priors.unconstrained_inside(self.prior, theta)
        c = self.context(x)
        v, context = self.whitening.whiten(u, c), embed(self.params, c)
        context = array_module(context).repeat(context, len(theta), axis=0) if single else context
        log_q = self.density.log_prob(self.params["flow"], v, context) + log_det + self.whitening.log_det
        return array_module(u).where(inside, log_q, -np.inf)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "npe", describe(self))

    def _moved(self, put):
        """The posterior elsewhere: what `device.put` makes of it."""
        parts = {name: put(getattr(self, name)) for name in ("whitening", "compression", "scaling", "support")}
        return replace(self, params=packed(put(self.params)), **parts)


def fit(prior, theta, x, *, rng, embedding=(), n_components=None, density=maf, n_transforms=None, hidden=(50, 50), learning_rate=5e-3,
        batch_size=200, max_epochs=200, patience=40, validation_fraction=0.1, clip_norm=5.0, schedule=optim.one_cycle, checkpoint=None,
        progress=False):
    """Train a posterior on simulations; they decide the device and the dtype."""
    return fit_members(prior, theta, x, rngs=[rng], embedding=embedding, n_components=n_components, density=density,
                       n_transforms=n_transforms, hidden=hidden, learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                       patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm, schedule=schedule,
                       checkpoints=[checkpoint], progress=progress)[0]


def fit_members(prior, theta, x, *, rngs, embedding, n_components, density, n_transforms, hidden, learning_rate, batch_size, max_epochs,
                patience, validation_fraction, clip_norm, schedule, checkpoints, progress):
    """What fit returns for each of several rngs with their checkpoints, all else being shared: trained side by side on a device."""
    name_of(density)
    theta, x = check_simulations(prior, theta, x)
    u, log_det = prior.to_unconstrained(theta)
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    summary = x if compression is None else compression.transform(x)
    scaling = fit_scaling(summary)
    context = scaling.apply(summary)
    whitening, support = fit_regression(u, context), fit_support(features(x, context, compression))
    starts = [put(init_params(rng, dim=u.shape[1], context_dim=context.shape[1], embedding=embedding, density=density,
                              n_transforms=n_transforms, hidden=hidden), array_module(u), u.dtype) for rng in rngs]
    model = SimpleNamespace(loss=partial(loss, density=density), loss_and_grad=partial(loss_and_grad, density=density),
                            fused=partial(fused, density=density))
    members = minibatch.train_together(
        model, starts, (whitening.whiten(u, context), context), rngs=rngs, learning_rate=learning_rate, batch_size=batch_size,
        max_epochs=max_epochs, patience=patience, clip_norm=clip_norm, validation_fraction=validation_fraction, schedule=schedule,
        checkpoints=checkpoints, progress=progress)
    constant = float(whitening.log_det) + float(log_det.mean())
    return [Posterior(prior, density, trained.params, whitening, compression, scaling, -trained.loss + constant, trained.history, support)
            for trained in members]


def draw(posterior, rng, n, x):
    """n draws of θ for each row of x (M, D), which nobody checks, so that nobody waits for the device: (M, n, P)."""
    c = posterior.context(x)
    v = posterior.density.sample(posterior.params["flow"], rng, n, embed(posterior.params, c))
    if cuda.wanted(array_module(v)) and posterior_kernel.fits(posterior.prior, v):
        return posterior_kernel.finish(posterior.prior, v, posterior.whitening.mean(c), posterior.whitening.factor)
    u = posterior.whitening.undo(v, c)
    return posterior.prior.to_constrained(u.reshape(-1, u.shape[-1]))[0].reshape(*u.shape[:2], -1)


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
        prior=priors.restore(tree["prior"]), density=density_of(tree["density"]), params=packed(tree["params"]),
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
    check_together(theta=theta, x=x)
    checks.check_count("theta: number of simulations", len(theta), least=FEWEST)
    checks.check_finite("theta", theta)
    checks.check_finite("x", x)
    priors.check_inside("theta", prior, theta)
    return theta, x


def check_observation(x, like):
    """One or more observations as (M, D), where the model lives and in its dtype, and whether it was one; a host array is sent there."""
    x = checks.as_array("x", x)
    single = x.ndim == 1
    x = x[None] if single else x
    checks.check_shape("x", x, ("M", len(like)))
    checks.check_finite("x", x)
    if array_module(like) is np:
        check_together(posterior=like, x=x)
    return array_module(like).asarray(x, dtype=like.dtype), single
