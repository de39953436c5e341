"""Accel against the reference: the same work and numbers, and the ratio of times

The flow is that of the benchmark against peers: θ 3, context 10, hidden 50-50; five transforms for the MAF,
three for the spline flow. The results are compared first: float64 within rounding of the sum's length,
float32 within a thousandth of a percent of the scale.
"""
import itertools
from types import SimpleNamespace

import numpy as np

import accel
import reference
from accel import device
from accel.training import minibatch, optim
from experiments.bench import timing

DIM, CONTEXT = 3, 10
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


def run(xp, quick):
    rows = []
    for name in ("maf", "nsf"):
        rows += [_training_step(xp, name, batch, quick)
                 for batch in ((50,) if quick else (50, 200, 1000, 5000))]
        rows.append(_sampling(xp, name, 100 if quick else 10_000, quick))
    return rows


def _painted(name):
    """Parameters off their start, the same for every side."""
    density = getattr(reference.density, name)
    rng = np.random.default_rng(0)
    params = density.init_params(rng, dim=DIM, context_dim=CONTEXT)
    return reference.runtime.tree.tree_map(lambda layer: layer + 0.05 * rng.standard_normal(layer.shape),
                                           params)


def _sides(xp, name):
    """Each side's package, parameters and dtype."""
    sides = {"reference": SimpleNamespace(package=reference, params=_painted(name), dtype="float64", xp=np)}
    for dtype in ("float64", "float32"):
        params = accel.runtime.tree.frozen(device.put(_painted(name), xp, dtype))
        sides[f"accel {dtype}"] = SimpleNamespace(package=accel, params=params, dtype=dtype, xp=xp)
    return sides


def _literal_step(density, params, data):
    """A step of the reference's training loop."""
    optim = reference.training.optim
    state = {"params": params, "adam": reference.training.optim.init_adam(params)}

    def step():
        _, grads = density.loss_and_grad(state["params"], *data)
        grads, _ = optim.clip_by_norm(grads, 5.0)
        state["params"], state["adam"] = optim.adam_step(state["params"], grads, state["adam"])
    return step


def _step_of_a_run(density, params, data):
    """A step of accel's training loop, which updates the vectors of the run in place."""
    learner, count = minibatch.Learner(density, params), itertools.count(1)

    def step():
        learner.gradient(*data)
        learner.update(optim.folded(next(count), 1e-3), 5.0)
    return step


def _training_step(xp, name, batch, quick):
    """Loss, gradient, clipping and Adam for one batch."""
    rng = np.random.default_rng(1)
    x, context = rng.standard_normal((batch, DIM)), rng.standard_normal((batch, CONTEXT))
    sides, steps, results = _sides(xp, name), {}, {}
    for key, side in sides.items():
        density, package = getattr(side.package.density, name), side.package
        data = device.put((x, context), side.xp, side.dtype)
        value, grads = density.loss_and_grad(side.params, *data)
        results[key] = np.append(device.to_host(package.runtime.tree.ravel(grads)), float(value))
        steps[key] = (_literal_step if package is reference else _step_of_a_run)(density, side.params, data)
    return _row(xp, f"{name}: training step, batch {batch}", steps, results, quick)


def _sampling(xp, name, n, quick):
    """n draws for one observation."""
    context, steps, results = np.random.default_rng(2).standard_normal((1, CONTEXT)), {}, {}
    for key, side in _sides(xp, name).items():
        density = getattr(side.package.density, name)
        observed = device.put(context, side.xp, side.dtype)

        def draw(side=side, density=density, observed=observed):
            return density.sample(side.params, np.random.default_rng(3), n, observed)
        steps[key], results[key] = draw, device.to_host(draw())
    return _row(xp, f"{name}: {n:,} samples, one observation", steps, results, quick)


def _row(xp, work, steps, results, quick):
    """Compare what the sides computed, then time them in turn; milliseconds, the median with the least and
    the most."""
    wait = (lambda: None) if xp is np else xp.cuda.get_current_stream().synchronize
    for key, result in results.items():
        gap = np.abs(result - results["reference"]).max() / np.abs(results["reference"]).max()
        allowed = TOLERANCE[key.rpartition(" ")[2]] if key != "reference" else 0
        if gap > allowed:
            raise AssertionError(
                f"{work}: {key} differs from the reference by {gap:.1e} of the scale, {allowed:.0e} is "
                "allowed")
    taken, rounds = timing.interleaved(steps, quick=quick, wait=wait)
    row = {"work": work, "rounds": rounds}
    for key, seconds in taken.items():
        row[f"{key} [ms]"] = round(1e3 * seconds[0], 3)
        row[f"{key} min–max [ms]"] = timing.spread(seconds, 1e3)
    for key in list(steps)[1:]:
        row[f"reference / {key}"] = round(row["reference [ms]"] / row[f"{key} [ms]"], 1)
    return row
