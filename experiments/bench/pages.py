"""Page by page, accel against the reference: the main function of each, on one core

Networks have the default sizes of their page, batches 200 rows, simulators and densities 10,000; chains are
50 of 200 steps. The results are compared first. The README's table shows how much less time float32 takes in
accel than float64 in the reference.
"""
import warnings
from types import SimpleNamespace

import numpy as np

import accel
import reference
from accel import device
from experiments.bench import timing

TOLERANCE = {"float64": 1e-8, "float32": 2e-3}  # of the scale: what is compared may be a whole run
BATCH, ROWS = 200, 10_000
PAGES = {}


def page(name, work):
    """Register prepare(side) → a function without arguments whose result is compared and whose calls are
    timed."""
    def register(prepare):
        PAGES[name] = work, prepare
        return prepare
    return register


def run(xp, quick):
    return [measure(xp, name, *PAGES[name], quick) for name in (list(PAGES)[:3] if quick else PAGES)]


class Side(SimpleNamespace):
    """A package, the array module and dtype it computes in, and a host generator of inputs, the same numbers
    for every side."""

    def put(self, tree):
        return device.put(tree, self.xp, self.dtype)

    def rng(self):
        return device.shared_generator(np.random.default_rng(1), self.xp, self.dtype)

    def normal(self, *shape):
        return self.put(self.paint.standard_normal(shape))

    def params(self, tree):
        """The tree off its start, frozen in accel."""
        tree = self.package.runtime.tree.tree_map(lambda layer: layer
                                                  + 0.05 * self.paint.standard_normal(layer.shape), tree)
        return self.put(tree) if self.package is reference else accel.runtime.tree.frozen(self.put(tree))


def measure(xp, name, work, prepare, quick):
    sides = {"reference": Side(package=reference, xp=np, dtype="float64")}
    sides |= {f"accel {dtype}": Side(package=accel, xp=xp, dtype=dtype) for dtype in TOLERANCE}
    steps = {}
    for key, side in sides.items():
        side.paint = np.random.default_rng(0)
        steps[key] = prepare(side)
    expected = flat(steps["reference"]())
    for key, dtype in ((f"accel {dtype}", dtype) for dtype in TOLERANCE):
        gap = np.abs(flat(steps[key]()) - expected).max() / np.abs(expected).max()
        if not gap <= TOLERANCE[dtype]:
            raise AssertionError(
                f"{name}: {key} differs from the reference by {gap:.1e} of the scale, {TOLERANCE[dtype]:.0e} "
                "is allowed")
    wait = (lambda: None) if xp is np else xp.cuda.get_current_stream().synchronize
    taken, rounds = timing.interleaved(steps, quick=quick, wait=wait, seconds=0.5)
    row = {"page": name, "work": work, "rounds": rounds}
    for key, seconds in taken.items():
        row |= {f"{key} [ms]": float(f"{1e3 * seconds[0]:.4g}"),
                f"{key} min–max [ms]": timing.spread(seconds, 1e3)}
    return row | {f"reference / {key}": float(f"{taken['reference'][0] / taken[key][0]:.3g}")
                  for key in list(steps)[1:]}


def flat(result):
    """All numbers of a result, on the host, in one vector."""
    found = [np.asarray(device.to_host(leaf), float).ravel()
             for _, leaf in accel.runtime.tree.leaves(list(result) if isinstance(result, tuple)
                                                      else [result])]
    return np.concatenate(found)


def gradient(module, **settings):
    """A loss with its gradient for one batch of the arrays that inputs(side) gives."""
    return lambda params, *data: lambda: module.loss_and_grad(params, *data, **settings)


# Representation

@page("representation.pca", "50 components of 10,000 × 200")
def _(side):
    x = side.put(side.paint.standard_normal((ROWS, 200)) * np.linspace(1, 3, 200))
    return lambda: side.package.representation.pca.fit(x, n_components=50).explained_variance


@page("representation.autoencoder", "loss and gradient, 64 pixels")
def _(side):
    module = side.package.representation.autoencoder
    return gradient(module)(side.params(module.init_params(side.paint, dim=64, n_latent=2)),
                            side.normal(BATCH, 64))


@page("representation.conv_autoencoder", "loss and gradient, 8 × 8 pixels")
def _(side):
    module = side.package.representation.conv_autoencoder
    return gradient(module)(side.params(module.init_params(side.paint, shape=(1, 8, 8), n_latent=2)),
                            side.normal(BATCH, 1, 8, 8))


# Density

@page("density.gmm", "20 iterations, 5 components, 10,000 × 4")
def _(side):
    module, x = side.package.density.gmm, side.normal(ROWS, 4)
    means = x[:5].copy()

    def fit():
        with warnings.catch_warnings(action="ignore"):                # that it has not converged
            return module.fit(x, n_components=5, means=means, tolerance=1e-300, max_iterations=20).means
    return fit


def flow(name):
    def prepare(side):
        module = getattr(side.package.density, name)
        params = side.params(module.init_params(side.paint, dim=3, context_dim=10))
        return gradient(module)(params, side.normal(BATCH, 3), side.normal(BATCH, 10))
    return prepare


for _name in ("made", "maf", "nsf", "realnvp", "mdn"):
    page(f"density.{_name}", "loss and gradient")(flow(_name))


# Generative

@page("generative.vae", "loss and gradient, 64 pixels")
def _(side):
    module = side.package.generative.vae
    params = side.params(module.init_params(side.paint, dim=64, n_latent=2))
    return gradient(module)(params, side.normal(BATCH, 64), side.normal(BATCH, 2))


@page("generative.gan", "the discriminator's loss and gradient, 64 pixels")
def _(side):
    module = side.package.generative.gan
    params = side.params(module.init_params(side.paint, dim=64, n_latent=16))
    x, z = side.normal(BATCH, 64), side.normal(BATCH, 16)
    return lambda: module.discriminator_loss_and_grad(params, x, z)


@page("generative.wgan", "the critic's loss with its penalty, and gradient, 64 pixels")
def _(side):
    module = side.package.generative.wgan
    params = side.params(module.init_params(side.paint, dim=64, n_latent=16))
    x, z, u = side.normal(BATCH, 64), side.normal(BATCH, 16), side.put(side.paint.random((BATCH, 1)))
    return lambda: module.critic_loss_and_grad(params, x, z, u)


@page("generative.score_matching", "loss and gradient, 2-D")
def _(side):
    module = side.package.generative.score_matching
    params = side.params(module.init_params(side.paint, dim=2))
    sigmas, u = side.put(np.geomspace(3, 0.05, 10)), side.put(side.paint.random(BATCH))
    return gradient(module, sigmas=sigmas)(params, side.normal(BATCH, 2), u, side.normal(BATCH, 2))


@page("generative.langevin", "200 steps of 10,000 chains in 2-D, a Gaussian's score")
def _(side):
    start = side.normal(ROWS, 2)
    return lambda: side.package.generative.langevin.unadjusted(side.rng(), lambda x, sigma: -x, start,
                                                               step_size=0.1, n_steps=200).x


# Inference

@page("inference.rejection_abc", "10⁶ simulations of the power law")
def _(side):
    module = side.package.inference.rejection_abc
    power_law, observation = side.package.simulators.power_law, side.put(np.array([31.6]))
    rng = ((lambda: device.generator(1, side.xp, side.dtype)) if side.package is accel
           else (lambda: np.random.default_rng(1)))
    return lambda: np.mean(device.to_host(module.sample(rng(), power_law.prior, power_law.simulate,
                                                        observation, n_simulations=10**6,
                                                        epsilon=10.0).theta))


@page("inference.npe", "loss and gradient, embedding 100 → 10")
def _(side):
    module = side.package.inference.npe
    params = side.params(module.init_params(side.paint, dim=3, context_dim=100, embedding=(50, 10)))
    return gradient(module)(params, side.normal(BATCH, 3), side.normal(BATCH, 100))


@page("inference.ratio", "loss and gradient, 100 data")
def _(side):
    module = side.package.inference.ratio
    params = side.params(module.init_params(side.paint, dim=3, context_dim=100))
    u, c = side.normal(BATCH, 3), side.normal(BATCH, 100)
    regression = side.package.preprocessing.regression.fit_regression(u, c)
    prior = side.package.priors.Normal(np.zeros(3), np.ones(3))
    return gradient(module, prior=prior, regression=regression)(params, u, c)


# Simulators

def simulations(name):
    def prepare(side):
        module = getattr(side.package.simulators, name)
        theta = side.put(getattr(reference.simulators, name).prior.sample(np.random.default_rng(2), ROWS))
        return lambda: module.simulate(side.rng(), theta)
    return prepare


for _name in ("gaussian_linear", "global_signal", "power_law", "two_moons"):
    page(f"simulators.{_name}", "10,000 simulations")(simulations(_name))
