"""A MAF's training step on the device, batch 50 to 50,000, against torch and JAX

θ 3, context 10, five transforms, hidden 50-50, tanh, float32: the flow of the benchmark on the CPU. A step is
loss, gradient, clipping of the norm at 5, and Adam. torch and JAX have our weights and masks and must have
our loss; every gradient of ours is held against our own in float64 on the CPU. JAX computes its products in
float32, as all others, and once more in TF32, which it takes by itself on a GPU.
"""
import importlib.util

import numpy as np

from accel import device
from accel.runtime.tree import tree_map
from accel.density import maf
from experiments.bench.gpu import ceilings, clock, frameworks, ours

DIM, CONTEXT, TRANSFORMS, HIDDEN = 3, 10, 5, (50, 50)
BATCHES = {50: 100, 200: 100, 1000: 50, 5000: 20, 50_000: 5}          # rows: steps of a turn
TARGET = {200: {ours.ENGINE: "at most 60 µs"}, 5000: {ours.ENGINE: "20 × torch eager, ahead of JAX"}}
TF32_FROM = 5000


def run(xp, quick):
    params, libraries, limit = parameters(), frameworks.found(xp), ceilings.measure(xp, quick)
    rows = []
    for batch, n_steps in {50: 2}.items() if quick else BATCHES.items():
        data = batches(batch, n_steps)
        compared = compare(xp, params, libraries, [a[0] for a in data])
        sides = our_sides(xp, params, data)
        weights, masks = frameworks.weights_of(params), frameworks.mask_tree(params)
        for name, library in libraries.items():
            sides[name] = library.steps(loss_of(library), weights, masks, data)
            if name == "torch" and library.on_gpu:
                sides["torch graph"] = library.steps(loss_of(library), weights, masks, data, graph=True)
            if name == "JAX" and (quick or batch >= TF32_FROM):
                sides["JAX, TF32"] = library.steps(loss_of(library), weights, masks, data, tf32=True)
        sides |= installed(xp, data)
        taken = clock.measured(xp, sides, quick=quick, pieces=n_steps, on_stream=(ours.ARRAYS, ours.KERNELS))
        rows += clock.rows("MAF training step", taken, unit="µs", along="batch", at=batch, compared=compared,
                           target=TARGET.get(batch), counted=counted(batch), ceilings=limit)
    return rows


def parameters(seed=0):
    """Our parameters, off their start, masked weights at zero."""
    rng = np.random.default_rng(seed)
    params = ours.painted(maf.init_params(rng, dim=DIM, context_dim=CONTEXT, n_transforms=TRANSFORMS,
                                          hidden=HIDDEN), seed)
    return {"mades": tree_map(np.multiply, params["mades"],
                              frameworks.networks(frameworks.mask_tree(params), len(HIDDEN) + 1))}


def batches(n, n_steps):
    """Batches of θ and context, (n_steps, n, …), float32."""
    rng = np.random.default_rng(n)
    return (rng.standard_normal((n_steps, n, DIM), np.float32),
            rng.standard_normal((n_steps, n, CONTEXT), np.float32))


def our_sides(xp, params, data):
    """A step at a time on the CPU, in array code, with the gradient's kernel; and the epochs of
    `training.train`'s engine."""
    there, rows = device.put(data, xp), [a.reshape(-1, a.shape[-1]) for a in data]
    return {ours.CPU: ours.steps(maf, params, np, data),
            ours.ARRAYS: ours.with_kernels(False, ours.steps(maf, params, xp, there)),
            ours.KERNELS: ours.with_kernels(True, ours.steps(maf, params, xp, there)),
            ours.ENGINE: ours.Engine(maf, maf.fused, [params], xp, rows, data[0].shape[1])}


def loss_of(library):
    def loss(weights, theta, context):
        return -frameworks.maf_log_prob(library, frameworks.networks(weights, len(HIDDEN) + 1), theta,
                                        context).mean()
    return loss


def compare(xp, params, libraries, batch):
    """{side: how near it came}, or an AssertionError."""
    truth, said = ours.gradient(maf, params, np, batch, "float64"), {}
    for side, where, kernels in ((ours.CPU, np, False), (ours.ARRAYS, xp, False), (ours.KERNELS, xp, True)):
        with device.kernels(kernels):
            said[side] = near(side, "gradient in float64",
                              ours.gap(ours.gradient(maf, params, where, batch), truth), 1e-4)
    twice = [np.concatenate((a, a[::-1])) for a in batch]
    apart = ours.engine_gap(maf, maf.fused, params, xp, twice, len(batch[0]))
    said[ours.ENGINE] = near(ours.ENGINE, "losses of two steps, from array code's", apart, 1e-4)
    for name, library in libraries.items():
        weights = [library.array(w) for w in frameworks.weights_of(params)]
        value = library.compiled(loss_of(library))(weights, *(library.array(a) for a in batch))
        said[name] = near(name, "loss on shared weights", abs(float(library.host(value)) - truth[-1]), 1e-4)
    return said


def near(side, what, gap, allowed):
    if not gap <= allowed:
        raise AssertionError(f"{side}: {what} differs by {gap:.1e}, {allowed:.0e} is allowed")
    return f"{what} to {gap:.0e}"


def counted(batch):
    """Operations of the products of a step, and the least bytes that it must move: the batch, and the
    parameters with both of Adam's moments and the gradient, read and written."""
    operations = sum(ours.network_operations((DIM + CONTEXT, *HIDDEN, 2 * DIM), batch, DIM if k else 0)
                     for k in range(TRANSFORMS))
    sizes = (DIM + CONTEXT, *HIDDEN, 2 * DIM)
    n_parameters = TRANSFORMS * sum((below + 1) * above for below, above in zip(sizes, sizes[1:]))
    return operations, 4 * (batch * (DIM + CONTEXT) + 8 * n_parameters)


def installed(xp, data):
    """sbi's and zuko's own training steps, where they are installed and torch sees the device."""
    sides = {}
    for name, build in (("sbi", of_sbi), ("zuko", of_zuko)):
        if importlib.util.find_spec(name) is not None and importlib.util.find_spec("torch") is not None:
            library = frameworks.Torch()
            if library.on_gpu or not xp.cuda.is_available():
                sides[name] = module_steps(library, *build(library), data)
    return sides


def of_sbi(library):
    from sbi.neural_nets import posterior_nn
    torch = library.torch
    build = posterior_nn("maf", z_score_theta=None, z_score_x=None, hidden_features=HIDDEN[0],
                         num_transforms=TRANSFORMS, num_blocks=1)
    net = build(torch.randn(100, DIM), torch.randn(100, CONTEXT)).to(library.device)
    return net, lambda theta, context: net.loss(theta, condition=context).mean()


def of_zuko(library):
    import zuko
    net = zuko.flows.MAF(features=DIM, context=CONTEXT, transforms=TRANSFORMS, hidden_features=HIDDEN,
                         activation=library.torch.nn.Tanh)
    net = net.to(library.device)
    return net, lambda theta, context: -net(context).log_prob(theta).mean()


def module_steps(library, net, loss, data):
    torch, data = library.torch, [library.array(a) for a in data]
    weights = list(net.parameters())
    adam = torch.optim.Adam(weights, lr=ours.RATE)

    def steps():
        for batch in zip(*data):
            adam.zero_grad()
            loss(*batch).backward()
            torch.nn.utils.clip_grad_norm_(weights, ours.CLIP)
            adam.step()
    return steps
