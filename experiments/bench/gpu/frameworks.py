"""torch and JAX on the device of the measurement, given our weights: the same flows, score network, training
step and draws.

The formulas stand once, written for either library: `on` is one of the two classes, whose few methods are
what the libraries spell differently. Masked weights are zero from the start and their gradients are masked,
as ours, which costs less than a mask in every layer. Products are float32 throughout, as ours: JAX is asked
for it, whose default on a GPU is TF32, except where a side says so.
"""
import contextlib
import importlib.util
import math

import numpy as np

from accel.runtime.tree import leaves
from accel.density import made, realnvp
from accel.generative import score_network

__all__ = ["Torch", "Jax", "found", "weights_of", "networks", "mask_tree", "maf_log_prob", "maf_inverse",
           "realnvp_log_prob", "realnvp_inverse", "score", "dsm", "tau2"]

RATE, CLIP = 5e-4, 5.0


def found(xp):
    """{name: library} of those that are installed and compute where xp does; who does not is named in what is
    printed."""
    libraries = {}
    for name, module, kind in (("torch", "torch", Torch), ("JAX", "jax", Jax)):
        if importlib.util.find_spec(module) is None:
            print(f"  {name} is not installed: no row for it")
        else:
            library = kind()
            if library.on_gpu or not xp.cuda.is_available():
                libraries[name] = library
            else:
                print(f"  {name} sees no GPU: no row for it")
    return libraries


class Torch:
    """torch, eager unless a method says otherwise."""

    def __init__(self):
        import torch
        self.torch, self.on_gpu = torch, torch.cuda.is_available()
        self.device = torch.device("cuda" if self.on_gpu else "cpu")
        self.tanh, self.exp, self.sqrt = torch.tanh, torch.exp, torch.sqrt

    def array(self, a):
        return self.torch.from_numpy(np.array(a, np.float32)).to(self.device)

    def host(self, a):
        return a.detach().cpu().numpy()

    def layer(self, w, h):
        return self.torch.addmm(w[0], h, w[1:])

    def join(self, *parts):
        return self.torch.cat(parts, dim=1)

    def transpose(self, a):
        """The last two axes swapped."""
        return self.torch.transpose(a, 1, 2)

    def sort(self, a):
        """Sorted along the second axis."""
        return self.torch.sort(a, dim=1).values

    def repeat(self, rows, n):
        """Every row n times."""
        return self.torch.repeat_interleave(rows, n, dim=0)

    def flip(self, x):
        return self.torch.flip(x, (1,))

    def spread(self, row, like):
        return row.expand(len(like), -1)

    def no_gradient(self):
        return self.torch.no_grad()

    def wait(self, value):
        return value

    def seeded(self, seed):
        self.torch.manual_seed(seed)
        return None

    def normal(self, key, shape):
        return self.torch.randn(shape, device=self.device)

    def uniform_and_normal(self, key, n):
        return self.torch.rand(n, device=self.device), self.torch.randn(n, device=self.device)

    def chain(self, step, weights, start, sigmas):
        """A function that takes x = step(weights, x, σ (1, 1), normal noise) through all sigmas, one after
        another."""
        levels = self.array(sigmas).reshape(-1, 1, 1)

        def run():
            x = start
            with self.torch.no_grad():
                for sigma in levels:
                    x = step(weights, x, sigma, self.torch.randn_like(x))
            return x
        return run

    def steps(self, loss, weights, masks, data, *, graph=False, compiled=False):
        """A function that takes a training step for each batch of data, a tuple of arrays (K, batch, …):
        eager, or replayed from a captured graph of one step, or with the loss compiled."""
        torch, data = self.torch, [self.array(a) for a in data]
        weights = [self.array(w).requires_grad_() for w in weights]
        masks = None if masks is None else [self.array(m) for m in masks]
        adam = torch.optim.Adam(weights, lr=RATE, fused=True, capturable=graph)
        loss = torch.compile(loss, mode="reduce-overhead") if compiled else loss
        batch = [a[0].clone() for a in data]

        def step(batch):
            adam.zero_grad(set_to_none=not graph)
            value = loss(weights, *batch)
            value.backward()
            if masks is not None:
                torch._foreach_mul_([w.grad for w in weights], masks)
            torch.nn.utils.clip_grad_norm_(weights, CLIP)
            adam.step()
            return value
        if not graph:
            return lambda: [step(batch) for batch in zip(*data)][-1]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step(batch)
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            step(batch)

        def replay():
            for new in zip(*data):
                for buffer, values in zip(batch, new):
                    buffer.copy_(values)
                captured.replay()
        return replay

    def steps_of_many(self, loss, weights, masks, data, n_models):
        """The same for n_models models of different weights on the same batches, one step of all at a time,
        by torch.func.vmap."""
        torch, data = self.torch, [self.array(a) for a in data]
        weights = [self.array(w).repeat(n_models, *[1] * np.ndim(w)).requires_grad_() for w in weights]
        masks, adam = [self.array(m) for m in masks], torch.optim.Adam(weights, lr=RATE, fused=True)
        gradient = torch.func.vmap(torch.func.grad(loss), in_dims=(0, *[None] * len(data)))

        def steps():
            for batch in zip(*data):
                grads = gradient(weights, *batch)
                grads = torch._foreach_mul(list(grads), masks)
                norm = torch.sqrt(sum((g * g).flatten(1).sum(1) for g in grads))
                shrink = torch.clamp(CLIP / (norm + 1e-6), max=1.0)
                for w, g in zip(weights, grads):
                    w.grad = g * shrink.reshape(-1, *[1] * (g.ndim - 1))
                adam.step()
        return steps

    def compiled(self, function):
        """A function without gradients, as it is: eager."""
        def run(*arguments):
            with self.torch.no_grad():
                return function(*arguments)
        return run


class Jax:
    """JAX, every function compiled by jit."""

    def __init__(self):
        import jax
        self.jax, self.np = jax, jax.numpy
        self.on_gpu = jax.default_backend() == "gpu"
        self.tanh, self.exp, self.sqrt = self.np.tanh, self.np.exp, self.np.sqrt

    def array(self, a):
        return self.np.asarray(np.array(a, np.float32))

    def host(self, a):
        return np.asarray(a)

    def layer(self, w, h):
        return h @ w[1:] + w[0]

    def join(self, *parts):
        return self.np.concatenate(parts, axis=1)

    def transpose(self, a):
        return self.np.swapaxes(a, 1, 2)

    def sort(self, a):
        return self.np.sort(a, axis=1)

    def repeat(self, rows, n):
        """Every row n times."""
        return self.np.repeat(rows, n, axis=0)

    def flip(self, x):
        return x[:, ::-1]

    def spread(self, row, like):
        return self.np.broadcast_to(row, (len(like), row.shape[-1]))

    def no_gradient(self):
        return contextlib.nullcontext()

    def wait(self, value):
        return self.jax.block_until_ready(value)

    def seeded(self, seed):
        return self.jax.random.key(seed)

    def normal(self, key, shape):
        return self.jax.random.normal(key, shape, self.np.float32)

    def uniform_and_normal(self, key, n):
        one, other = self.jax.random.split(key)
        return self.jax.random.uniform(one, (n,), self.np.float32), self.normal(other, (n,))

    def chain(self, step, weights, start, sigmas):
        """The same in one compiled scan."""
        jax = self.jax

        def scan(weights, x, key):
            def one(x, turn):
                sigma, key = turn
                return step(weights, x, sigma, self.normal(key, x.shape)), None
            turns = self.array(sigmas).reshape(-1, 1, 1), jax.random.split(key, len(sigmas))
            return jax.lax.scan(one, x, turns)[0]
        compiled, seeds = self.compiled(scan), iter(range(10**9))
        return lambda: compiled(weights, start, self.seeded(next(seeds)))

    def float32(self, tf32=False):
        """Products in float32, or in what JAX takes by itself on a GPU."""
        return self.jax.default_matmul_precision("default" if tf32 else "highest")

    def steps_of_many(self, loss, weights, masks, data, n_models):
        return self.steps(loss, weights, masks, data, n_models=n_models)

    def steps(self, loss, weights, masks, data, *, tf32=False, n_models=None):
        """A function that takes all steps in one compiled scan; of n_models models at once, by vmap, where a
        number is given."""
        import optax
        jax, jnp = self.jax, self.np
        adam = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(RATE))
        data = tuple(self.array(a) for a in data)
        weights = [self.array(w) for w in weights]
        masks = None if masks is None else [self.array(m) for m in masks]

        def scan(weights, state, data):
            def one(carry, batch):
                weights, state = carry
                grads = jax.grad(loss)(weights, *batch)
                if masks is not None:
                    grads = [g * m for g, m in zip(grads, masks)]
                updates, state = adam.update(grads, state, weights)
                return (optax.apply_updates(weights, updates), state), None
            return jax.lax.scan(one, (weights, state), data)[0]
        if n_models is not None:
            weights = [jnp.repeat(w[None], n_models, axis=0) for w in weights]
            run, state = jax.jit(jax.vmap(scan, in_axes=(0, 0, None))), jax.vmap(adam.init)(weights)
        else:
            run, state = jax.jit(scan), adam.init(weights)

        def steps():
            with self.float32(tf32):
                return jax.block_until_ready(run(weights, state, data))
        return steps

    def compiled(self, function):
        run = self.jax.jit(function)

        def step(*arguments):
            with self.float32():
                return self.jax.block_until_ready(run(*arguments))
        return step


def weights_of(params):
    """The layers [b; W] of a tree of parameters, in order."""
    return [np.asarray(leaf, np.float32) for _, leaf in leaves(params)]


def networks(weights, n_layers):
    """A flat list of layers as the networks of a chain, each of n_layers."""
    return [weights[i:i + n_layers] for i in range(0, len(weights), n_layers)]


def mask_tree(params):
    """The masks of a MAF's layers [b; W], in the order of its leaves; a bias is never masked."""
    found = []
    for layers in params["mades"]:
        found += [np.concatenate((np.ones((1, mask.shape[1])), mask)).astype(np.float32)
                  for mask in made.masks({"layers": layers})]
    assert [m.shape for m in found] == [w.shape for _, w in leaves(params)]
    return found


def mlp(on, layers, h):
    for layer in layers[:-1]:
        h = on.tanh(on.layer(layer, h))
    return on.layer(layers[-1], h)


def conditionals(on, layers, x, context):
    """μ and log σ of a MADE."""
    out = mlp(on, layers, x if context is None else on.join(context, x))
    dim = x.shape[1]
    return out[:, :dim], made.S * on.tanh(out[:, dim:] / made.S)


def normal_log_prob(z, log_det):
    return log_det - 0.5 * (z * z).sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


def maf_log_prob(on, nets, x, context):
    log_det = 0.0
    for k, layers in enumerate(nets):
        x = on.flip(x) if k else x
        mu, log_sigma = conditionals(on, layers, x, context)
        x, log_det = (x - mu) * on.exp(-log_sigma), log_det - log_sigma.sum(1)
    return normal_log_prob(x, log_det)


def maf_inverse(on, nets, z, context):
    """D passes through each network: after pass i the first i dimensions are final."""
    for k, layers in reversed(list(enumerate(nets))):
        x = z * 0
        for _ in range(z.shape[1]):
            mu, log_sigma = conditionals(on, layers, x, context)
            x = mu + on.exp(log_sigma) * z
        z = on.flip(x) if k else x
    return z


def coupling(on, layers, kept):
    out = mlp(on, layers, kept)
    dim = out.shape[1] // 2
    return out[:, :dim], realnvp.S * on.tanh(out[:, dim:] / realnvp.S)


def realnvp_log_prob(on, nets, x):
    d, log_det = x.shape[1] // 2, 0.0
    for k, layers in enumerate(nets):
        kept, moved = (x[:, :d], x[:, d:]) if k % 2 == 0 else (x[:, d:], x[:, :d])
        t, s = coupling(on, layers, kept)
        moved, log_det = moved * on.exp(s) + t, log_det + s.sum(1)
        x = on.join(kept, moved) if k % 2 == 0 else on.join(moved, kept)
    return normal_log_prob(x, log_det)


def realnvp_inverse(on, nets, z):
    d = z.shape[1] // 2
    for k, layers in reversed(list(enumerate(nets))):
        kept, moved = (z[:, :d], z[:, d:]) if k % 2 == 0 else (z[:, d:], z[:, :d])
        t, s = coupling(on, layers, kept)
        moved = (moved - t) * on.exp(-s)
        z = on.join(kept, moved) if k % 2 == 0 else on.join(moved, kept)
    return z


def score(on, layers, x, sigma, tau2):
    """s(x, σ) for x (N, D), σ (N, 1) or (1, 1), and data of variance one; tau2 are the squares of
    score_network.TAU, (8,)."""
    a = 1 / on.sqrt(1 + sigma**2)
    told = (on.spread((sigma**2 - tau2) / (sigma**2 + tau2), x) if len(sigma) == 1
            else (sigma**2 - tau2) / (sigma**2 + tau2))
    return -a**2 * x + a * on.sqrt(a / sigma) * mlp(on, layers, on.join(a * x, told))


def dsm(on, layers, x, sigma, epsilon, tau2):
    """Denoising score matching with both signs of the noise, σ (N, 1) given."""
    above, below = (sigma * score(on, layers, x + sign * sigma * epsilon, sigma, tau2) + sign * epsilon
                    for sign in (1.0, -1.0))
    return ((above**2).sum() + (below**2).sum()) / (4 * len(x))


def tau2():
    return score_network.TAU.astype(np.float32)**2
