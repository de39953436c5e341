"""Posterior summaries of a catalogue on the device, 1,000 samples of 12 parameters a galaxy

A conditional MAF, five transforms, hidden 50-50, 12 parameters, an observation of 11 numbers, float32. Ours
is `catalogue.summarise`: from host memory to host memory, every object with its own stream of random numbers,
whitening and prior undone, mean, covariance, three quantiles, distance from the simulations and flags. torch
and JAX have the flow's weights and do less: they sample the flow and summarise that, on the device alone, a
chunk of objects at a time. Time is for one object; what it makes of ten million is an extrapolation, and
`catalogue_whole` runs them.
"""
import numpy as np

from accel import device
from accel import priors
from accel.inference import catalogue, npe
from experiments.bench.gpu import ceilings, clock, frameworks, ours
from experiments.bench.gpu.maf_step import near

DIM, WIDTH, HIDDEN, TRANSFORMS, SAMPLES = 12, 11, (50, 50), 5, 1000
WHOLE = 10_000_000
OBJECTS = {ours.CPU: 50, ours.ARRAYS: 10_000, ours.KERNELS: 200_000, "torch": 5000, "JAX": 5000}
CHUNK = 1000                                                          # objects at a time, of torch and JAX
QUANTILES = (0.16, 0.5, 0.84)
TARGET = {ours.KERNELS: "ten million in under 60 s"}


def run(xp, quick):
    limit, posterior, libraries = ceilings.measure(xp, quick), trained(quick), frameworks.found(xp)
    n_samples, objects = (40, dict.fromkeys(OBJECTS, 6)) if quick else (SAMPLES, OBJECTS)
    compared = compare(xp, posterior, libraries, n_samples)
    sides = {ours.CPU: of_ours(posterior, False, objects[ours.CPU], n_samples)}
    for side, kernels in ((ours.ARRAYS, False), (ours.KERNELS, True)):
        sides[side] = of_ours(device.put(posterior, xp), kernels, objects[side], n_samples)
    for name, library in libraries.items():
        sides[name] = of_library(library, posterior, objects[name], n_samples)
    taken = clock.measured(xp, sides, quick=quick, pieces=objects)
    notes = {side: f"{objects[side]:,} objects a call" for side in sides}
    rows = clock.rows(f"Catalogue: an object of {n_samples:,} samples", taken, unit="µs", compared=compared,
                      target=TARGET, counted=counted(n_samples), ceilings=limit, notes=notes)
    return [row | {f"extrapolated to {WHOLE:,} [s]": float(f"{WHOLE * taken[row['side']].median:.4g}")}
            for row in rows]


def simulations(n, seed=0):
    """θ (n, DIM), and what is observed of it: WIDTH smooth functions with noise."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, DIM))
    mixing = np.random.default_rng(7).standard_normal((DIM, WIDTH)) / DIM**0.5
    return (theta.astype(np.float32),
            (np.sinh(0.7 * theta @ mixing) + 0.3 * rng.standard_normal((n, WIDTH))).astype(np.float32))


def trained(quick):
    """A posterior on the host, trained for a short while: speed does not depend on how well."""
    posterior = npe.fit(priors.Normal(np.zeros(DIM), np.ones(DIM)), *simulations(400 if quick else 5000),
                        rng=np.random.default_rng(0), n_transforms=TRANSFORMS, hidden=HIDDEN,
                        max_epochs=1 if quick else 3)
    return posterior


def of_ours(posterior, kernels, n, n_samples):
    x = simulations(n, seed=1)[1]
    return ours.with_kernels(kernels,
                             lambda: catalogue.summarise(posterior, x, seed=1, n_samples=n_samples,
                                                         quantiles=QUANTILES))


def of_library(library, posterior, n, n_samples):
    weights = [library.array(w) for w in frameworks.weights_of(posterior.params["flow"])]
    chunk, seeds = min(CHUNK, n), iter(range(10**9))
    contexts = [library.array(posterior.context(simulations(n, seed=1)[1])[i:i + chunk])
                for i in range(0, n, chunk)]

    def summarise(weights, context, key):
        z = library.normal(key, (chunk * n_samples, DIM))
        theta = frameworks.maf_inverse(library, nets(weights), z, library.repeat(context, n_samples)).reshape(
            chunk, n_samples, DIM)
        mean = theta.mean(1)
        off = theta - mean[:, None]
        covariance = library.transpose(off) @ off / (n_samples - 1)
        ordered, places = library.sort(theta), [q * (n_samples - 1) for q in QUANTILES]
        quantiles = [ordered[:, int(h)] + (h - int(h)) * (ordered[:, int(h) + 1] - ordered[:, int(h)])
                     for h in places]
        return mean, covariance, quantiles
    run = library.compiled(summarise)
    return lambda: library.wait([run(weights, context, library.seeded(next(seeds))) for context in contexts])


def nets(weights):
    return frameworks.networks(weights, len(HIDDEN) + 1)


def compare(xp, posterior, libraries, n_samples):
    """{side: how near it came}, or an AssertionError."""
    from accel.density import maf
    said, truth = {}, None
    for side, there, kernels in ((ours.CPU, posterior, False),
                                 (ours.ARRAYS, device.put(posterior, xp), False),
                                 (ours.KERNELS, device.put(posterior, xp), True)):
        found = of_ours(there, kernels, 5, n_samples)()
        truth = truth or found
        gaps = [ours.gap(getattr(found, name), getattr(truth, name))
                for name in ("mean", "covariance", "quantiles", "distance")]
        said[side] = near(side, "summaries of the same draws, from the CPU's", max(gaps), 1e-3)
    z, context = np.random.default_rng(2).standard_normal((7, DIM)), posterior.context(simulations(7)[1])
    exact = maf.inverse(device.put(posterior.params["flow"], np, "float64"), z, context.astype(np.float64))[0]
    for name, library in libraries.items():
        run = library.compiled(lambda weights, z, context: frameworks.maf_inverse(library, nets(weights), z,
                                                                                  context))
        found = run([library.array(w) for w in frameworks.weights_of(posterior.params["flow"])],
                    library.array(z), library.array(context))
        said[name] = near(name, "samples from shared noise, in float64", ours.gap(library.host(found), exact),
                          1e-3)
    return said


def counted(n_samples):
    """Operations of the products of one pass through every network for each sample, the least; bytes of an
    object's data and results."""
    sizes = (DIM + WIDTH, *HIDDEN, 2 * DIM)
    return (TRANSFORMS * n_samples * ours.network_operations(sizes, 1),
            4 * (WIDTH + DIM + DIM * DIM + len(QUANTILES) * DIM))
