"""Threads at the size where hidden state showed, 2,000 rows of two dimensions; autograd inside autograd."""
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.conformance import data, laws
from tests.conformance.places import AUTOGRAD, PACKAGES, PRIORS, TREE, module

N, ROUNDS, SECONDS = 2000, 8, 0.1
DENSITIES = {"maf": {"n_transforms": 3}, "nsf": {"n_transforms": 2}, "realnvp": {"n_transforms": 3},
             "made": {}, "mdn": {}}
FUNCTIONS = ("log_prob", "sample", "log_prob_and_grad", "loss_and_grad")
each_kind = pytest.mark.parametrize("kind", ["plain", "library"])


def pairs(seed):
    """θ and x, (N, 2) each."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-1, 1, (N, 2))
    return theta, theta + 0.3 * theta**2 + 0.1 * rng.standard_normal((N, 2))


def tree_of(package, kind, params):
    convert = {"plain": data.as_plain, "library": data.as_library}[kind]
    return convert(params, TREE[package])


def check(jobs):
    with laws.quiet():
        broken = laws.in_threads(jobs, rounds=ROUNDS, budget=SECONDS)
    assert not broken, broken


def random_params(density, package):
    rng, settings = np.random.default_rng(0), DENSITIES[density.__name__.rpartition(".")[2]]
    params = density.init_params(rng, dim=2, context_dim=2, hidden=(16, 16), **settings)
    paint = np.random.default_rng(1)
    return TREE[package].tree_map(lambda leaf: leaf + 0.05 * paint.standard_normal(leaf.shape), params)


@each_kind
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", list(DENSITIES))
def test_densities(name, function, kind):
    density = module("accel", f"density.{name}")
    if not hasattr(density, function):
        pytest.skip(f"{name} has no {function}")
    params, compute = tree_of("accel", kind, random_params(density, "accel")), getattr(density, function)

    def draw(seed, context):
        return compute(params, np.random.default_rng(seed), 1, context)
    if function == "sample":
        check([functools.partial(draw, seed, pairs(seed)[1]) for seed in range(4)])
    else:
        check([functools.partial(compute, params, *pairs(seed)) for seed in range(4)])


@functools.cache
def fitted(name):
    theta, x = pairs(0)
    rng, brief = np.random.default_rng(1), {"max_epochs": 2, "batch_size": 500}
    with laws.quiet():
        if name == "npe":
            prior = PRIORS["accel"].BoxUniform([-1.0, -1.0], [1.0, 1.0])
            fit = module("accel", "inference.npe").fit
            return fit(prior, theta, x, rng=rng, n_transforms=3, hidden=(16, 16), **brief)
        settings = {} if name.endswith("score_matching") else {"n_latent": 2}
        return module("accel", name).fit(x, rng=rng, hidden=(32, 32), **settings, **brief)


@pytest.mark.parametrize("name", ["representation.autoencoder", "generative.vae"])
def test_transforms(name):
    check([functools.partial(fitted(name).transform, pairs(seed)[1]) for seed in range(4)])


def test_score():
    model = fitted("generative.score_matching")
    check([functools.partial(model.score, pairs(seed)[1], 0.5 + 0.1 * seed) for seed in range(4)])


def test_posterior_log_prob():
    """The reproduction of the review: one posterior, a thread for each observation."""
    posterior, (theta, x) = fitted("npe"), pairs(0)
    wanted = [posterior.log_prob(theta, one) for one in x[:8]]
    for n_threads in (2, 4):
        with ThreadPoolExecutor(n_threads) as pool:
            got = list(pool.map(lambda one: posterior.log_prob(theta, one), x[:8]))
        gaps = [np.abs(a - b).max() for a, b in zip(got, wanted) if not np.array_equal(a, b)]
        assert not gaps, f"{len(gaps)} of 8 wrong with {n_threads} threads, by {max(gaps):.3g} nats"
    check([functools.partial(posterior.log_prob, theta, one) for one in x[:4]])


def test_posterior_sample():
    posterior, (_, x) = fitted("npe"), pairs(0)

    def draw(seed):
        return posterior.sample(np.random.default_rng(seed), N, x[seed])
    check([functools.partial(draw, seed) for seed in range(4)])


# The reference: autograd numbers its traces in one place for all threads


def critic(seed):
    paint = np.random.default_rng(seed)
    layers = [0.5 * paint.standard_normal(shape) for shape in ((3, 8), (9, 8), (9, 1))]
    return layers, paint.standard_normal((40, 2))


@pytest.mark.parametrize("package", list(PACKAGES))
def test_gradients_of_gradients(package):
    compute = module(package, AUTOGRAD).gradient_penalty_and_grad
    check([functools.partial(compute, *critic(seed)) for seed in range(4)])


@pytest.mark.parametrize("package", list(PACKAGES))
def test_gradients_of_gradients_beside_gradients(package):
    """The gradient penalty in one thread, the gradient of a density in the other."""
    maf, (theta, x) = module(package, "density.maf"), pairs(0)
    params = maf.init_params(np.random.default_rng(0), dim=2, context_dim=2, n_transforms=2, hidden=(5,))
    check([functools.partial(module(package, AUTOGRAD).gradient_penalty_and_grad, *critic(0)),
           functools.partial(maf.loss_and_grad, params, theta[:50], x[:50])])


@pytest.mark.parametrize("name", list(DENSITIES))
def test_gradients_of_the_reference(name):
    density = module("reference", f"density.{name}")
    params = random_params(density, "reference")
    batches = [[a[:40] for a in pairs(seed)] for seed in range(4)]
    check([functools.partial(density.loss_and_grad, params, *batch) for batch in batches])


class Pausing:
    """An array that is handed over after a pause, once: another thread can act between two traces of one."""

    def __init__(self, array, pause):
        self.array, self.pause = array, pause

    def __array__(self, dtype=None, copy=None):
        pause, self.pause = self.pause, lambda: None
        pause()
        return self.array


def test_a_trace_that_ends_while_another_thread_nests():
    """Thread 1 enters a trace; thread 2 enters one; thread 1 leaves; thread 2 opens one inside its own. Where
    the depth of a trace is one number for all threads, the two of thread 2 have one depth, and its gradient
    mixes them up.
    """
    page, nets = module("reference", AUTOGRAD), module("reference", "nets")
    layers, x = critic(0)
    wanted = page.gradient_penalty_and_grad(layers, x)
    one_inside, two_inside, one_left = threading.Event(), threading.Event(), threading.Event()

    def pause_of_two():                                # between the traces of the weights and of x
        two_inside.set()
        one_left.wait(2)

    def function(a):                                   # inside the trace of thread 1
        one_inside.set()
        two_inside.wait(2)
        return nets.TANH.value(a)

    def one():                                         # no penalty: one trace alone
        page.input_gradient(layers, x, activation=nets.TANH._replace(value=function))
        one_left.set()

    def two():
        one_inside.wait(2)
        return page.gradient_penalty_and_grad(layers, Pausing(x, pause_of_two))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(one), pool.submit(two)
        first.result()
        assert data.values(second.result()) == data.values(wanted)
