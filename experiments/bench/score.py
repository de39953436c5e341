"""Score models against torch and JAX: a training step, and annealed Langevin

Two dimensions, hidden 128-128, tanh, float32. A step is denoising score matching over a ladder of ten levels,
batch 512, each sample with both signs of its noise, as in our loss: the peers are given the same formula, the
same weights and the same noise, and must have our loss. The Langevin chain is Algorithm 1 with ten levels of
100 steps for 10,000 particles, torch eager and JAX in one compiled scan.
"""
import math

import jax
import jax.numpy as jnp
import numpy as np
import torch

from accel import device
from accel.runtime.tree import frozen, ravel, tree_map
from accel.generative import langevin, score_matching, score_network
from experiments.bench import peers, timing

DIM, HIDDEN, BATCH, STEPS, LEVELS = 2, (128, 128), 512, 20, 10
SIGMAS = score_matching.noise_levels(3.0, 0.05, LEVELS).astype(np.float32)
PARTICLES, STEPS_PER_LEVEL, STEP = 10_000, 100, 2e-4


class Model:
    @staticmethod
    def write_grads(params, grads, x, u, epsilon):
        return score_matching.write_grads(params, grads, x, u, epsilon, sigmas=SIGMAS)


def run(xp, quick):
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    params = score_matching.init_params(rng, dim=DIM, hidden=HIDDEN)
    params = frozen(
        tree_map(lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32), params))
    data = (rng.standard_normal((STEPS, BATCH, DIM), np.float32), rng.random((STEPS, BATCH), np.float32),
            rng.standard_normal((STEPS, BATCH, DIM), np.float32))
    net, weights = torch_net(params), [jnp.asarray(layer) for layer in params["layers"]]

    ours = float(score_matching.loss(params, *(a[0] for a in data), sigmas=SIGMAS))
    with torch.no_grad():
        theirs = float(torch_loss(net, *(torch.from_numpy(a[0]) for a in data)))
    gaps = {"torch": abs(theirs - ours),
            "JAX": abs(float(jax_loss(weights, *(a[0] for a in data))) - ours)}
    for peer, gap in gaps.items():
        if gap > 1e-4:
            raise AssertionError(
                f"{peer}, on our weights and noise, has a loss {gap:.1e} from ours; 1e-4 is allowed")
    compared = {peer: f"loss on shared weights and noise to {gap:.0e}; {ravel(params).size:,} parameters"
                for peer, gap in gaps.items()}
    steps = {"ours": peers.our_steps(Model, params, data),
             "torch": peers.torch_steps(net, lambda *batch: torch_loss(net, *batch), data),
             "JAX": peers.jax_scan(jax_loss, weights, data)}
    taken, rounds = timing.interleaved(steps, quick=quick, per_call=dict.fromkeys(steps, STEPS))
    rows = timing.against(f"DSM training step, batch {BATCH}", taken, rounds,
                          targets={"torch": 2.5, "JAX": 1.0}, compared=compared)

    n = 100 if quick else PARTICLES
    start = 3 * rng.standard_normal((n, DIM), np.float32)
    chains = {"ours": our_chain(params, start), "torch": torch_chain(torch_net(params), start),
              "JAX": jax_chain(weights, start)}
    spread = {side: np.std(np.asarray(chain()), axis=0) for side, chain in chains.items()}
    for peer in gaps:
        if np.abs(spread[peer] / spread["ours"] - 1).max() > 8 / math.sqrt(n):
            raise AssertionError(f"expected chains of one spread, got {spread}")
    taken, rounds = timing.interleaved(chains, quick=quick)
    return rows + timing.against(
        "Annealed Langevin, 10 levels × 100 steps × 10,000 particles", taken, rounds, unit="s",
        targets={"torch": 4, "JAX": 1.0},
        compared={peer: "final spreads to " + format(np.abs(spread[peer] / spread["ours"] - 1).max(), ".1%")
                  for peer in gaps})


def our_chain(params, start):
    rng = device.generator(1, np, "float32")

    def chain():
        return langevin.annealed(rng, lambda x, sigma: score_matching.score(params, x, sigma), start,
                                 sigmas=SIGMAS, step_size=STEP, n_steps=STEPS_PER_LEVEL).x
    return chain


def torch_net(params):
    layers = []
    for layer in params["layers"]:
        linear = torch.nn.Linear(len(layer) - 1, layer.shape[1])
        linear.weight.data, linear.bias.data = (torch.from_numpy(layer[1:].T.copy()),
                                                torch.from_numpy(layer[0].copy()))
        layers += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def torch_score(net, x, sigma):
    """s(x, σ) for x (…, D) and σ (…, 1), for data of variance one."""
    tau2 = torch.from_numpy(score_network.TAU.astype(np.float32))**2
    a = torch.rsqrt(1 + sigma**2)
    told = ((sigma**2 - tau2) / (sigma**2 + tau2)).expand(*x.shape[:-1], len(tau2))
    return -a**2 * x + a * torch.sqrt(a / sigma) * net(torch.cat((a * x, told), dim=-1))


def torch_loss(net, x, u, epsilon):
    sigma = torch.from_numpy(SIGMAS)[torch.clamp((u * LEVELS).long(), max=LEVELS - 1)][:, None]
    signed = torch.stack((epsilon, -epsilon))
    return ((sigma * torch_score(net, x + sigma * signed, sigma) + signed)**2).sum() / (4 * len(x))


def torch_chain(net, start):
    start = torch.from_numpy(start)

    def chain():
        x = start.clone()
        with torch.no_grad():
            for sigma in SIGMAS:
                alpha, level = STEP * float(sigma / SIGMAS[-1])**2, torch.full((1,), float(sigma))
                for _ in range(STEPS_PER_LEVEL):
                    x = x + 0.5 * alpha * torch_score(net, x, level) + math.sqrt(alpha) * torch.randn_like(x)
        return x
    return chain


def jax_score(weights, x, sigma):
    tau2 = jnp.asarray(score_network.TAU, jnp.float32)**2
    a = jax.lax.rsqrt(1 + sigma**2)
    told = jnp.broadcast_to((sigma**2 - tau2) / (sigma**2 + tau2), (*x.shape[:-1], len(tau2)))
    h = jnp.concatenate((a * x, told), axis=-1)
    for layer in weights[:-1]:
        h = jnp.tanh(h @ layer[1:] + layer[0])
    return -a**2 * x + a * jnp.sqrt(a / sigma) * (h @ weights[-1][1:] + weights[-1][0])


def jax_loss(weights, x, u, epsilon):
    sigma = jnp.asarray(SIGMAS)[jnp.minimum((u * LEVELS).astype(jnp.int32), LEVELS - 1)][:, None]
    signed = jnp.stack((epsilon, -epsilon))
    return ((sigma * jax_score(weights, x + sigma * signed, sigma) + signed)**2).sum() / (4 * len(x))


def jax_chain(weights, start):
    levels = jnp.repeat(jnp.asarray(SIGMAS), STEPS_PER_LEVEL)

    @jax.jit
    def scan(weights, x, key):
        def step(x, turn):
            sigma, key = turn
            alpha = STEP * (sigma / SIGMAS[-1])**2
            x = x + 0.5 * alpha * jax_score(weights, x, sigma[None]) + jnp.sqrt(alpha) * jax.random.normal(
                key, x.shape)
            return x, None
        return jax.lax.scan(step, x, (levels, jax.random.split(key, len(levels))))[0]
    return lambda: jax.block_until_ready(scan(weights, jnp.asarray(start), jax.random.key(1)))
