"""The share of this machine's matrix-product rate that each computation reaches

The operations counted are those of a work's matrix products, 2 m k n each, as they are computed (masked
weights included); the limit is the best float32 product of this run, one thread. What the same products take
alone, one after another in a warm cache, and what tanh takes, are measured too, as shares of the work's time:
the rest is everything else, the slopes of activations, Adam, the interpreter, a cold cache.
"""
import itertools
import time
from functools import partial
from types import SimpleNamespace

import numpy as np

from accel import priors
from accel.training import minibatch, optim
from accel.preprocessing.regression import fit_regression
from accel.runtime.tree import frozen, tree_map
from accel.density import maf, realnvp
from accel.generative import score_matching
from accel.inference import _ratio_rows, ratio
from accel.representation import pca
from experiments.bench import timing

SIZES = (256, 512, 1024)
STEPS = 10


def run(xp, quick):
    budget = 0.02 if quick else 1.0
    rate = max(2 * size**3 / seconds(in_turn([(size, size, size)]), budget)
               for size in (SIZES[:1] if quick else SIZES))
    rows = [{"work": "matrix product, the limit", "Gflop/s": round(rate / 1e9, 1), "fraction": 1.0}]
    for work, step, products, n_tanh, counted in works(quick):
        flops = counted or sum(2 * m * k * n for m, k, n in products)
        taken = seconds(step, 2 * budget)
        alone = seconds(in_turn(products), budget) if products else None
        curved = seconds(curve(n_tanh), budget) if n_tanh else 0
        rows.append({"work": work, "Mflop": round(flops / 1e6, 1), "ours [ms]": float(f"{1e3 * taken:.4g}"),
                     "Gflop/s": round(flops / taken / 1e9, 1), "fraction": round(flops / taken / rate, 3),
                     "products alone": None if alone is None else round(alone / taken, 3),
                     "tanh": round(curved / taken, 3),
                     "rest": None if alone is None else round(1 - (alone + curved) / taken, 3)})
    return rows


def seconds(function, budget):
    """The median of the calls that fit into the budget, five at least, after one that is not counted."""
    function()
    taken, end = [], time.perf_counter() + budget
    while len(taken) < timing.FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def in_turn(products):
    """The float32 products (m, k) by (k, n), one after another, all on the same memory: as warm as they can
    be."""
    pools = [np.ones(max(sizes), np.float32)
             for sizes in zip(*((m * k, k * n, m * n) for m, k, n in products))]
    views = [[pool[:rows * columns].reshape(rows, columns)
              for pool, rows, columns in zip(pools, (m, k, m), (k, n, n))] for m, k, n in products]
    return lambda: [np.matmul(a, b, out=out) for a, b, out in views]


def curve(n):
    """tanh of n numbers, in runs that fit the cache."""
    a = np.random.default_rng(0).standard_normal(min(n, 20_000), np.float32)
    out = np.empty_like(a)
    return lambda: [np.tanh(a[:min(n - done, len(a))], out=out[:min(n - done, len(a))])
                    for done in range(0, n, len(a))]


def network(sizes, n, n_dx):
    """The products of one step of a network with these sizes on n columns: forward, gradients, and n_dx rows
    of the input's."""
    forward = [(above, below + 1, n) for below, above in zip(sizes, sizes[1:])]
    gradients = [(below + 1, n, above) for below, above in zip(sizes, sizes[1:])]
    back = [(below, above, n) for below, above in zip(sizes[1:], sizes[2:])]
    return [*forward, *gradients, *back, *([(n_dx, sizes[1], n)] if n_dx else [])]


def works(quick):
    """For each work its name, a function, its products, how many tanh it takes, and its operations where they
    are not all products."""
    rng = np.random.default_rng(0)
    for batch in (50,) if quick else (50, 200, 1000, 5000):
        data = rng.standard_normal((batch, 3), np.float32), rng.standard_normal((batch, 10), np.float32)
        products = [shape for k in range(5) for shape in network((13, 50, 50, 6), batch, 3 if k else 0)]
        step = adam_step_of(maf, painted(maf.init_params(rng, dim=3, context_dim=10), rng), data)
        yield f"MAF training step, batch {batch}", step, products, 5 * 103 * batch, None
    data = (rng.standard_normal((512, 2), np.float32),)
    products = [shape for k in range(6) for shape in network((1, 64, 64, 2), 512, 1 if k else 0)]
    step = adam_step_of(realnvp, painted(realnvp.init_params(rng, dim=2), rng), data)
    yield "RealNVP training step, batch 512", step, products, 6 * 129 * 512, None

    data = (rng.standard_normal((512, 2), np.float32), rng.random(512, np.float32),
            rng.standard_normal((512, 2), np.float32))
    step = adam_step_of(score_matching, painted(score_matching.init_params(rng, dim=2), rng), data,
                        sigmas=score_matching.noise_levels(3.0, 0.05, 10).astype(np.float32))
    yield "DSM training step, batch 512", step, network((10, 128, 128, 2), 1024, 0), 256 * 1024, None

    theta, x = rng.standard_normal((1000, 3)), rng.standard_normal((1000, 100))
    regression = fit_regression(theta, x)
    data = (_ratio_rows.theta_rows_of(priors.Normal(np.zeros(3), np.ones(3)), regression, theta)[:200].astype(
        np.float32), _ratio_rows.x_rows_of(regression, x)[:200].astype(np.float32))
    step = adam_step_of(_ratio_rows,
                        painted(ratio.init_params(rng, dim=3, context_dim=100, hidden=(64, 64)), rng), data,
                        n_contrastive=9, balance=0.0)
    of_rows = [(64, 6, 200), (64, 103, 200), (65, 100, 200), (65, 200, 100), (6, 200, 64), (103, 200, 64)]
    yield "NRE training step, 100 data, batch 200", step, [*of_rows, (64, 65, 2000), (65, 2000, 64),
                                                           (64, 64, 2000)], 128 * 2000, None

    n, dim = (2000, 100) if quick else (60_000, 784)
    images = rng.standard_normal((n, dim), np.float32)
    yield "PCA 60,000 × 784 to 50 (half of XᵀX)", lambda: pca.fit(images, n_components=50), [], 0, n * dim * (
        dim + 1)


def painted(params, rng):
    """Off their start, so that nothing is zero; float32."""
    return frozen(tree_map(
        lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32), params))


def adam_step_of(model, params, data, **settings):
    """A training step: loss, gradient, clipping, Adam."""
    model = SimpleNamespace(write_grads=partial(model.write_grads, **settings))
    learner, count = minibatch.Learner(model, params), itertools.count(1)

    def step():
        learner.gradient(*data)
        learner.update(optim.folded(next(count), 1e-3), 5.0)
    return step
