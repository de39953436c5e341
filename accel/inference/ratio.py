"""Likelihood-to-evidence ratio: the logit of a classifier that tells matched pairs (θ, x) from mismatched ones.

The mathematics is in `reference.inference.ratio`. Same values; arrays are feature-major, allocated once for each batch size, and
the first layer, which is linear in [u, s] and in [c, m], is computed once for each row and then added for each pair. With W_u, W_v and W_c
the blocks of its weights:

    aⱼₖ = tⱼ₊ₖ + dⱼ,    t = W_uᵀ u + W_vᵀ s,    d = b + W_cᵀ c − W_vᵀ m

So is what the last layer, with weights [b; W] (1 + C outputs), makes of x: with hⱼₖ the last hidden units,

    (h₀ + hᵀc)ⱼₖ = q₀ⱼ + qⱼᵀ hⱼₖ,    [q₀; q] = [b; W] [1; c]

Backward, from df to the outputs, through the layers above to da, and then to the first layer:

    df_k = [k < K] exp(f_k − log(K + ∑ₗ₌₀ᴷ⁻¹ exp fₗ)) + [k > 0] exp(f_k − log(K + ∑ₗ₌₁ᴷ exp fₗ)) − [k = 0],   all over 2N
    dq₀ⱼ = ∑ₖ df,    dqⱼ = ∑ₖ aⱼₖ dfⱼₖ,    d[b; W] = dq [1; c]ᵀ,    da = q df
    dtⱼ = ∑ₖ daⱼ₋ₖ,ₖ,    ddⱼ = ∑ₖ daⱼₖ
    dW_u = u dtᵀ,    dW_v = s dtᵀ − m ddᵀ,    dW_c = c ddᵀ,    db = ∑ⱼ ddⱼ

With respect to a row of θ the gradient of f is du = W_u da, ds = W_v da − v, dg = 1, since log r₀ = g − ½‖s − m‖².
"""
import math

import numpy as np

from accel.kernels import one_batch
from accel.nets import dense
from accel.runtime import checks
from accel.runtime.tree import empty_like, packed
from accel.device import array_module
from accel.kernels.ratio import launch as ratio_kernel

__all__ = ["init_params", "theta_rows_of", "x_rows_of", "linear_log_ratio", "log_ratio", "log_ratio_and_grad", "loss", "loss_and_grad"]

BLOCK = 2048                                                          # pairs evaluated at a time on a CPU: the work stays in cache
BLOCK_ON_DEVICE = 1 << 17


def init_params(rng, *, dim, context_dim, hidden=(64, 64, 64)):
    """Weights N(0, 1/n_in); the last layer is zero, so that training starts from (3)."""
    checks.check_count("hidden: number of layers", len(hidden))
    layers = dense.init_mlp(rng, (2 * dim + context_dim, *hidden))
    return {"layers": [*layers, array_module(layers[0]).zeros((hidden[-1] + 1, 1 + context_dim), dtype=layers[0].dtype)]}


def theta_rows_of(prior, regression, u):
    """[u, s, g] for u (N, P): (N, 2P + 1)."""
    xp, (n, dim) = array_module(u), u.shape
    rows = xp.empty((n, 2 * dim + 1), u.dtype)
    rows[:, :dim] = u
    rows[:, dim:-1] = u @ xp.linalg.inv(regression.factor).T
    rows[:, -1] = regression.log_det - 0.5 * dim * math.log(2 * math.pi)
    rows[:, -1] -= prior.unconstrained_log_prob(u)
    return rows


def x_rows_of(regression, c):
    """[c, m] for c (N, C): (N, C + P)."""
    xp, inverse = array_module(c), array_module(c).linalg.inv(regression.factor)
    return xp.concatenate((c, regression.mean(c) @ inverse.T), axis=1)


def linear_log_ratio(theta_rows, x_rows):
    """log r₀ of each pair, (N,), and v, (N, P), for theta_rows (N, 2P + 1) and x_rows (N, C + P), or one row of them."""
    dim = theta_rows.shape[1] // 2
    v = theta_rows[:, dim:-1] - x_rows[:, -dim:]
    log_r0 = array_module(v).einsum("ij,ij->i", v, v)
    log_r0 *= -0.5
    log_r0 += theta_rows[:, -1]
    return log_r0, v


def log_ratio(params, theta_rows, x_rows):
    """The logit f of each pair, (N,), for theta_rows (N, 2P + 1) and x_rows (N, C + P), or (1, C + P) for one observation."""
    params = packed(params)
    if fused := ratio_kernel.classifier_of(params):
        return fused.log_ratio(params.flat, theta_rows, x_rows)
    xp = array_module(params.flat)
    f, step = xp.empty(len(theta_rows), params.flat.dtype), BLOCK if xp is np else BLOCK_ON_DEVICE
    for block in (slice(start, start + step) for start in range(0, len(f), step)):
        rows, of_x = theta_rows[block], x_rows if len(x_rows) == 1 else x_rows[block]
        f[block] = forward(params["layers"], work_arrays(params, "evaluate", 1, rows), rows, of_x)[0]
    return f


def log_ratio_and_grad(params, theta_rows, x_rows):
    """The logit of each pair, (N,), and its gradient with respect to its own theta_rows, (N, 2P + 1)."""
    params = packed(params)
    if fused := ratio_kernel.classifier_of(params):
        return fused.log_ratio_and_grad(params.flat, theta_rows, x_rows)
    layers, work, n_u = params["layers"], work_arrays(params, "gradient", 1, theta_rows), theta_rows.shape[1] - 1
    f = forward(layers, work, theta_rows, x_rows)[0].copy()
    work.df[...] = 1
    da = hidden_gradient(layers, work, None).reshape(-1, len(f))
    xp, drows = array_module(f), array_module(f).empty_like(theta_rows)
    xp.matmul(da.T, layers[0][1:1 + n_u].T, out=drows[:, :-1])
    drows[:, n_u // 2:-1] -= work.v[:, 0].T
    drows[:, -1] = 1
    return f, drows


def loss(params, theta_rows, x_rows, *, n_contrastive=5, balance=0.0):
    """(6), and (7) with λ = balance, for matched rows, in nats."""
    params = packed(params)
    if step := fused(params, (theta_rows, x_rows), n_contrastive=n_contrastive, balance=balance):
        return one_batch.loss(params, step, len(x_rows))
    xp, n_pairs = array_module(theta_rows), count_pairs(theta_rows, n_contrastive)
    f = xp.stack([log_ratio(params, xp.roll(theta_rows, -k, axis=0), x_rows) for k in range(n_pairs)])
    return cross_entropy(f, balance)


def loss_and_grad(params, theta_rows, x_rows, *, n_contrastive=5, balance=0.0):
    """The loss and its gradient, in the tree of params."""
    params = packed(params)
    grads = params.scratch("grads", lambda: empty_like(params))
    if step := fused(params, (theta_rows, x_rows), n_contrastive=n_contrastive, balance=balance):
        return one_batch.write_grads(params, grads, step, len(x_rows)), grads
    layers, n_u = params["layers"], theta_rows.shape[1] - 1
    work = work_arrays(params, "train", count_pairs(theta_rows, n_contrastive), theta_rows)
    f = forward(layers, work, theta_rows, x_rows)
    value = cross_entropy(f, balance, work.df)
    last_gradient(work, grads["layers"][-1])
    da = hidden_gradient(layers, work, grads["layers"])
    xp, n, dt, dd = array_module(f), len(theta_rows), work.of_theta, work.of_x
    dt[...] = 0
    for k in range(len(f)):
        dt[:, k:k + n] += da[:, k]
    dt[:, :len(f) - 1] += dt[:, n:]
    da.sum(axis=1, out=dd)
    first, p = grads["layers"][0], n_u // 2
    dd.sum(axis=1, out=first[0])
    xp.matmul(theta_rows[:, :-1].T, dt[:, :n].T, out=first[1:1 + n_u])
    by_x = x_rows.T @ dd.T
    first[1 + p:1 + n_u] -= by_x[-p:]
    first[1 + n_u:] = by_x[:-p]
    return value, grads


def fused(params, data, batch_size=None, *, n_contrastive, balance):
    """What trains the classifier in kernels of its own (kernels.training), None where array code is to run."""
    return ratio_kernel.step(params, *data, n_contrastive=n_contrastive, balance=balance)


def count_pairs(theta_rows, n_contrastive):
    """K + 1; K is lowered to N − 1, the number of other rows."""
    return min(n_contrastive + 1, checks.check_count("theta_rows: number of rows", len(theta_rows), least=2))


class Work:
    """The work arrays for n rows, each in n_pairs pairs: the first layer's two sides, the tape of the hidden layers, log r₀.

    Units are (H, n_pairs, n), so that what is computed once for each row meets them in contiguous runs of n.
    """

    def __init__(self, xp, layers, n, n_pairs, dtype):
        hidden, p = layers[0].shape[1], len(layers[0]) - layers[-1].shape[1]
        self.tape = dense.Tape(xp, [*layers[1:-1], layers[-1][:, :1]], n_pairs * n, dtype)
        self.units = self.tape.fed[0].reshape(hidden, n_pairs, n)
        self.last = self.tape.fed[-1].reshape(-1, n_pairs, n)
        self.of_theta, self.of_x = xp.empty((hidden, n + n_pairs - 1), dtype), xp.empty((hidden, n), dtype)
        self.v, self.product = xp.empty((p // 2, n_pairs, n), dtype), xp.empty_like(self.last)
        self.f, self.df = xp.empty((n_pairs, n), dtype), xp.empty((n_pairs, n), dtype)
        self.beside = xp.empty((2, max(h.size for h in self.tape.inputs)), dtype)


def work_arrays(params, role, n_pairs, rows):
    def make():
        return Work(array_module(params.flat), params["layers"], len(rows), n_pairs, params.flat.dtype)
    return params.scratch(role, make, size=(len(rows), n_pairs))


def forward(layers, work, theta_rows, x_rows):
    """The logits of row j of x with row j + k of θ, (n_pairs, n)."""
    xp, first, n, n_u = array_module(theta_rows), layers[0], len(theta_rows), theta_rows.shape[1] - 1
    p, n_pairs = n_u // 2, len(work.f)
    t = xp.matmul(first[1:1 + n_u].T, theta_rows[:, :-1].T, out=work.of_theta[:, :n])
    work.of_theta[:, n:] = t[:, :n_pairs - 1]
    work.c = x_rows[:, :-p].T
    d = first[1 + n_u:].T @ work.c
    d -= first[1 + p:1 + n_u].T @ x_rows[:, -p:].T
    d += first[0][:, None]
    for k in range(n_pairs):
        xp.add(work.of_theta[:, k:k + n], d, out=work.units[:, k])
    xp.tanh(work.units, out=work.units)
    dense.hidden(layers[1:], work.tape)
    work.q = layers[-1][:, 1:] @ work.c
    work.q += layers[-1][:, :1]
    f = xp.sum(xp.multiply(work.last, work.q[1:, None], out=work.product), axis=0, out=work.f)
    f += work.q[0]
    f += log_r0(work, theta_rows, x_rows)
    return f


def log_r0(work, theta_rows, x_rows):
    """(3) for each pair, (n_pairs, n), with v in work.v."""
    xp, n, p = array_module(work.f), len(theta_rows), len(work.v)
    m, sg = x_rows[:, -p:].T, theta_rows[:, p:].T
    sg = xp.concatenate((sg, sg[:, :len(work.f) - 1]), axis=1)
    value = xp.empty_like(work.f)
    for k in range(len(work.f)):
        xp.subtract(sg[:-1, k:k + n], m, out=work.v[:, k])
        value[k] = sg[-1, k:k + n]
    value -= 0.5 * xp.square(work.v).sum(axis=0)
    return value


def last_gradient(work, dlayer):
    """From work.df to the gradient of the last layer, (H + 1, 1 + C): dq [1; c]ᵀ."""
    xp = array_module(work.df)
    dq = xp.empty_like(work.q)
    xp.sum(work.df, axis=0, out=dq[0])
    xp.multiply(work.last, work.df, out=work.product)
    xp.sum(work.product, axis=1, out=dq[1:])
    xp.sum(dq, axis=1, out=dlayer[:, 0])
    xp.matmul(dq, work.c.T, out=dlayer[:, 1:])


def hidden_gradient(layers, work, dlayers):
    """From work.df to da, (H, n_pairs, n), writing the gradients of the layers between the first and the last, unless None."""
    xp, tape = array_module(work.df), work.tape
    xp.multiply(work.df, work.q[1:, None], out=work.product)
    da = work.product.reshape(tape.fed[-1].shape)
    da *= dense.TANH.slope(tape.fed[-1], out=tape.slopes[-1])
    for k in range(len(layers) - 3, -1, -1):
        if dlayers is not None:
            xp.matmul(side_by_side(work, 0, tape.inputs[k]), side_by_side(work, 1, da).T, out=dlayers[1 + k])
        da = xp.matmul(layers[1 + k][1:], da, out=tape.cotangents[k])
        da *= dense.TANH.slope(tape.fed[k], out=tape.slopes[k])
    return da.reshape(work.units.shape)


def side_by_side(work, place, a):
    """A copy of a (H, n_pairs · n) in which the pairs of one row of x stand side by side.

    What a matched and a mismatched pair add to a gradient nearly cancels: let it do so at once, and in float32 the gradient is
    three times closer to that of float64.
    """
    copy, (n_pairs, n) = work.beside[place, :a.size].reshape(a.shape), work.f.shape
    copy.reshape(-1, n, n_pairs)[...] = a.reshape(-1, n_pairs, n).transpose(0, 2, 1)
    return copy


def cross_entropy(f, balance, df=None):
    """(6) + λ (7) for f (K + 1, N); its gradient is written into df where that is given."""
    xp, (n_pairs, n) = array_module(f), f.shape
    log_k = math.log(n_pairs - 1)
    shared = xp.full_like(f[0], log_k)
    for row in f[1:-1]:
        xp.logaddexp(shared, row, out=shared)
    with_matched, without = xp.logaddexp(shared, f[0]), xp.logaddexp(shared, f[-1])
    value = 0.5 * ((with_matched - f[0]).mean() + (without - log_k).mean())
    if df is not None:
        xp.subtract(f, without, out=df)
        xp.exp(df, out=df)
        xp.expm1(f[0] - with_matched, out=df[0])                      # the matched one's own −1 included, which would cancel
        df[1:-1] += xp.exp(f[1:-1] - with_matched)
        df *= 0.5 / n
    if balance:
        tanh = xp.tanh(0.5 * f)
        imbalance = 0.5 * (tanh[0].mean() + tanh[1:].mean())
        value = value + balance * imbalance**2
        if df is not None:
            slope = 1 - tanh * tanh                                    # of tanh(f/2), twice
            slope *= 0.5 * balance * imbalance / n
            slope[1:] /= n_pairs - 1
            df += slope
    return value
