"""Training steps as the users of each library take them: loss, gradient, clipping of its norm, Adam.

`data` is a tuple of float32 arrays (K, batch, …), and one call takes K steps, a batch each: a side that has
just had its turn finds its numbers in the cache, as it does in training, and JAX compiles the K steps into
one.
"""

import itertools

import jax
import jax.numpy as jnp
import torch

from accel.training import minibatch, optim

__all__ = ["RATE", "CLIP", "our_steps", "torch_steps", "jax_scan", "torch_size", "bounded_affine"]

RATE, CLIP = 5e-4, 5.0


def our_steps(model, params, data):
    """A function that takes K steps of a training run, on a copy of params."""
    learner, count = minibatch.Learner(model, params), itertools.count(1)

    def steps():
        for batch in zip(*data):
            learner.gradient(*batch)
            learner.update(optim.folded(next(count), RATE), CLIP)
    return steps


def torch_steps(net, loss, data, *, fused=True):
    """The same for a torch module; loss takes a batch as tensors. Adam is torch's fused one unless the
    library takes another."""
    data, parameters = [torch.from_numpy(a) for a in data], list(net.parameters())
    adam = torch.optim.Adam(parameters, lr=RATE, fused=fused)

    def steps():
        for batch in zip(*data):
            adam.zero_grad()
            loss(*batch).backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            adam.step()
    return steps


def jax_scan(loss, weights, data):
    """The same for JAX, in one compiled scan; loss takes the weights and a batch."""
    import optax
    adam = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(RATE))

    @jax.jit
    def scan(weights, state, data):
        def one(carry, batch):
            weights, state = carry
            updates, state = adam.update(jax.grad(loss)(weights, *batch), state, weights)
            return (optax.apply_updates(weights, updates), state), None
        return jax.lax.scan(one, (weights, state), data)[0]
    data, state = tuple(jnp.asarray(a) for a in data), adam.init(weights)
    return lambda: jax.block_until_ready(scan(weights, state, data))


def torch_size(net):
    return sum(p.numel() for p in net.parameters())


def bounded_affine(bound, *, inverse):
    """The transform of one dimension that our flows have, as a class that zuko takes: its scale is exp(bound
    · tanh(a / bound)).

    With inverse, z = (x − t) e^{−s} as in a MAF, else z = x eˢ + t as in a RealNVP.
    """
    class Affine(torch.distributions.Transform):
        domain = codomain = torch.distributions.constraints.real
        bijective, sign = True, 1

        def __init__(self, t, a):
            super().__init__()
            self.t, self.s = t, bound * torch.tanh(a / bound)

        def _call(self, x):
            return (x - self.t) * torch.exp(-self.s) if inverse else x * torch.exp(self.s) + self.t

        def log_abs_det_jacobian(self, x, y):
            return -self.s if inverse else self.s
    return Affine
