"""Many MAFs trained side by side on the device, batch 200: against torch and JAX with vmap

The flow of the training step, MODELS different starts on the same simulations; each of ours draws batches of
its own, those of torch and JAX share theirs. What a step of one model takes and what a step of all of them:
an ensemble is free as long as the device is not full.
"""
import numpy as np

from accel.density import maf
from experiments.bench.gpu import ceilings, clock, frameworks, maf_step, ours

BATCH, MODELS, STEPS = 200, (1, 8, 32, 128), 64
TARGET = {32: {ours.ENGINE: "at most twice the time of one"}}


def run(xp, quick):
    limit, rows, one = ceilings.measure(xp, quick), [], {}
    batch, n_steps = (50, 2) if quick else (BATCH, STEPS)
    data, libraries = maf_step.batches(batch, n_steps), frameworks.found(xp)
    masks = frameworks.mask_tree(maf_step.parameters())
    for n_models in (1, 2) if quick else MODELS:
        starts = [maf_step.parameters(seed) for seed in range(n_models)]
        sides = {ours.ENGINE: ours.Engine(maf, maf.fused, starts, xp,
                                          [a.reshape(-1, a.shape[-1]) for a in data], batch)}
        for name, library in libraries.items():
            arguments = maf_step.loss_of(library), frameworks.weights_of(starts[0]), masks, data
            sides[name] = library.steps_of_many(*arguments, n_models)
        compared = {ours.ENGINE: compare(xp, starts, batch, quick)}
        taken = clock.measured(xp, sides, quick=quick, pieces=n_steps)
        one = one or taken
        operations, n_bytes = maf_step.counted(batch)
        found = clock.rows(f"MAF training step of all models, batch {batch}", taken, unit="µs",
                           along="models", at=n_models, compared=compared, target=TARGET.get(n_models),
                           counted=(n_models * operations, n_models * n_bytes), ceilings=limit)
        rows += [row | {"of one model's time": round(taken[row["side"]].median / one[row["side"]].median, 2)}
                 for row in found]
    return rows


def compare(xp, starts, batch, quick):
    """Each model side by side has the losses that it has alone, an epoch of the same draws; an AssertionError
    if not."""
    data = [a.reshape(-1, a.shape[-1]) for a in maf_step.batches(batch, 2)]
    together = ours.Engine(maf, maf.fused, starts, xp, data, batch).epoch()
    for i in {0, len(starts) - 1}:
        alone = ours.Engine(maf, maf.fused, starts[i:i + 1], xp, data, batch, first_seed=i).epoch()[0]
        if not np.array_equal(alone, together[i]):
            raise AssertionError(f"model {i} of {len(starts)}: losses {together[i]}, alone {alone}")
    return "the losses of each model alone, to the bit"
