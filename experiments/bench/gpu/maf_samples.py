"""A MAF's samples and log-probabilities on the device, against torch and JAX

The flow of the training step, with the same weights for every side. A call draws its own noise and returns
the samples, on the device. Held against each other first: what every side makes of the same noise, and the
log-probabilities of the same points; and our kernels' samples against those of our array code from the same
generator.
"""
import numpy as np

from accel import device
from accel.density import maf
from experiments.bench.gpu import ceilings, clock, frameworks, maf_step, ours

# observations, samples for each
DRAWS = ((1, 10_000), (1000, 100), (10_000, 1000))
POINTS = (10_000, 1_000_000)
MOST_ON_CPU = 20_000


def run(xp, quick):
    params, libraries, limit = maf_step.parameters(), frameworks.found(xp), ceilings.measure(xp, quick)
    compared, rows = compare(xp, params, libraries), []
    for m, n in ((1, 40), (3, 7)) if quick else DRAWS:
        sides, pieces = samplers(xp, params, libraries, m, n)
        rows += measured(xp, f"MAF sample, {m:,} observation{'s' * (m > 1)}", "samples", m * n, sides, pieces,
                         compared, limit, quick)
    for n in (40,) if quick else POINTS:
        sides, pieces = densities(xp, params, libraries, n)
        rows += measured(xp, "MAF log-probability, an observation each", "points", n, sides, pieces, compared,
                         limit, quick)
    return rows


def measured(xp, work, along, at, sides, pieces, compared, limit, quick):
    taken = clock.measured(xp, sides, quick=quick, pieces=pieces, on_stream=(ours.ARRAYS, ours.KERNELS))
    notes = {ours.CPU: f"{pieces[ours.CPU]:,} {along} a call"} if pieces[ours.CPU] != at else None
    return clock.rows(work, taken, unit="ns", along=along, at=at, compared=compared, counted=counted(),
                      ceilings=limit, notes=notes)


def samplers(xp, params, libraries, m, n):
    """{side: function}, and how many samples a call of each draws."""
    context = maf_step.batches(m, 1)[1][0]
    few = max(1, min(m, MOST_ON_CPU // n))                            # observations that the CPU is given

    def ours_on(where, kernels, context):
        there, rng = device.put(params, where), device.generator(1, where, "float32")
        seen = device.put(context, where)
        return ours.with_kernels(kernels, lambda: maf.sample(there, rng, n, seen))
    sides = {ours.CPU: ours_on(np, False, context[:few]), ours.ARRAYS: ours_on(xp, False, context),
             ours.KERNELS: ours_on(xp, True, context)}
    for name, library in libraries.items():
        sides[name] = draw_of(library, params, m, n, context)
    return sides, {side: few * n if side == ours.CPU else m * n for side in sides}


def draw_of(library, params, m, n, context):
    weights = [library.array(w) for w in frameworks.weights_of(params)]
    seen, seeds = library.array(context), iter(range(10**9))

    def draw(weights, seen, key):
        z = library.normal(key, (m * n, maf_step.DIM))
        return frameworks.maf_inverse(library, nets(weights), z, library.repeat(seen, n))
    run = library.compiled(draw)
    return lambda: run(weights, seen, library.seeded(next(seeds)))


def densities(xp, params, libraries, n):
    theta, context = (a[0] for a in maf_step.batches(n, 1))
    few = min(n, MOST_ON_CPU)

    def ours_on(where, kernels, *data):
        there, data = device.put(params, where), device.put(data, where)
        return ours.with_kernels(kernels, lambda: maf.log_prob(there, *data))
    sides = {ours.CPU: ours_on(np, False, theta[:few], context[:few]),
             ours.ARRAYS: ours_on(xp, False, theta, context), ours.KERNELS: ours_on(xp, True, theta, context)}
    for name, library in libraries.items():
        sides[name] = density_of(library, params, theta, context)
    return sides, {side: few if side == ours.CPU else n for side in sides}


def density_of(library, params, theta, context):
    weights = [library.array(w) for w in frameworks.weights_of(params)]
    data = [library.array(a) for a in (theta, context)]
    run = library.compiled(lambda weights, theta, context: frameworks.maf_log_prob(library, nets(weights),
                                                                                   theta, context))
    return lambda: run(weights, *data)


def nets(weights):
    return frameworks.networks(weights, len(maf_step.HIDDEN) + 1)


def compare(xp, params, libraries, n=37):
    """{side: how near it came}, or an AssertionError."""
    z, context = (a[0] for a in maf_step.batches(n, 1))
    exact = (
        maf.inverse(device.put(params, np, "float64"), z.astype(np.float64), context.astype(np.float64))[0])
    log_prob = maf.log_prob(device.put(params, np, "float64"), z.astype(float), context.astype(float))
    said, drawn = {}, {}
    for side, where, kernels in ((ours.CPU, np, False), (ours.ARRAYS, xp, False), (ours.KERNELS, xp, True)):
        there, (zs, seen) = device.put(params, where), device.put((z, context), where)
        with device.kernels(kernels):
            drawn[side] = device.to_host(maf.sample(there, device.generator(3, where, "float32"), 5, seen))
            found = device.to_host((maf.inverse(there, zs, seen)[0], maf.log_prob(there, zs, seen)))
        said[side] = said_of(side, found, (exact, log_prob))
    maf_step.near(ours.KERNELS, "samples of one generator, from array code's",
                  ours.gap(drawn[ours.KERNELS], drawn[ours.ARRAYS]), 1e-4)
    for name, library in libraries.items():
        weights = [library.array(w) for w in frameworks.weights_of(params)]
        data = [library.array(a) for a in (z, context)]
        inverse = library.compiled(lambda weights, z, context: frameworks.maf_inverse(library, nets(weights),
                                                                                      z, context))
        said[name] = said_of(name,
                             (library.host(inverse(weights, *data)),
                              library.host(density_of(library, params, z, context)())), (exact, log_prob))
    return said


def said_of(side, found, exact):
    gaps = [ours.gap(a, b) for a, b in zip(found, exact)]
    return maf_step.near(side, "samples from shared noise and log-probabilities, in float64", max(gaps), 1e-4)


def counted():
    """Operations of the products of one pass through every network, and the bytes of a sample or a point with
    its observation: the least, since a sample costs as much as one pass where each unit is computed once, and
    D passes where it is not."""
    sizes = (maf_step.DIM + maf_step.CONTEXT, *maf_step.HIDDEN, 2 * maf_step.DIM)
    return maf_step.TRANSFORMS * ours.network_operations(sizes, 1), 4 * (2 * maf_step.DIM + maf_step.CONTEXT)
