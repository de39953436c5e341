"""The classifier of `inference.ratio` on rows: what depends on one θ or x alone is computed once for all.

A row of θ is [u, s, g] with s = L⁻¹u and g = −log det L − (P/2) log 2π − log p(u), (2P + 1). A row of x is
[c, m] with m = L⁻¹([1, c] A)ᵀ, (C + P). Then v = s − m and log r₀ = g − ½‖v‖². Training makes the rows once,
before it starts.

Arrays are feature-major, in work arrays that are borrowed for a call. The first layer is linear in [u, s] and
in [c, m]. It is computed once for each row and then added for each pair; with W_u, W_v and W_c the blocks of
its weights,

    aⱼₖ = tⱼ₊ₖ + dⱼ,    t = W_uᵀ u + W_vᵀ s,    d = b + W_cᵀ c − W_vᵀ m

The same holds for what the last layer, with weights [b; W] (1 + C outputs), makes of x; with hⱼₖ the last
hidden units,

    (6)  (h₀ + hᵀc)ⱼₖ = q₀ⱼ + qⱼᵀ hⱼₖ,    [q₀; q] = [b; W] [1; c]

Backward, from df (inference.cross_entropy) to the outputs, through the layers above to da, and then to the
first layer:

    dq₀ⱼ = ∑ₖ df,    dqⱼ = ∑ₖ hⱼₖ dfⱼₖ,    d[b; W] = dq [1; c]ᵀ,    dh = q df
    dtⱼ = ∑ₖ daⱼ₋ₖ,ₖ,    ddⱼ = ∑ₖ daⱼₖ
    dW_u = u dtᵀ,    dW_v = s dtᵀ − m ddᵀ,    dW_c = c ddᵀ,    db = ∑ⱼ ddⱼ

The gradient of f in a row of θ is du = W_u da, ds = W_v da − v, dg = 1; in u it is du + L⁻ᵀ ds − ∇log p(u).
"""
import math

from accel import memory
from accel.device import array_module
from accel.inference.cross_entropy import cross_entropy
from accel.kernels import cuda, one_batch
from accel.kernels.ratio import launch as ratio_kernel
from accel.nets import dense
from accel.runtime import checks
from accel.runtime._blocks import blocks
from accel.runtime._vector import vector

__all__ = ["inverse_of", "theta_rows_of", "x_rows_of", "linear_log_ratio", "log_ratio", "log_ratio_and_grad",
           "grad_in_u", "loss", "write_grads", "fused"]

BLOCK, BLOCK_ON_DEVICE = 2048, 1 << 17                          # pairs at a time: on a CPU they fit the cache


def inverse_of(regression):
    """L⁻¹, (P, P)."""
    return array_module(regression.factor).linalg.inv(regression.factor)


def theta_rows_of(prior, regression, u, inverse=None):
    """[u, s, g] for u (N, P): (N, 2P + 1); inverse is L⁻¹ where the caller has it."""
    xp, (n, dim) = array_module(u), u.shape
    rows = xp.empty((n, 2 * dim + 1), u.dtype)
    rows[:, :dim] = u
    rows[:, dim:-1] = u @ (inverse_of(regression) if inverse is None else inverse).T
    rows[:, -1] = regression.log_det - 0.5 * dim * math.log(2 * math.pi)
    rows[:, -1] -= prior.unconstrained_log_prob(u)
    return rows


def x_rows_of(regression, c):
    """[c, m] for c (N, C): (N, C + P)."""
    return array_module(c).concatenate((c, regression.mean(c) @ inverse_of(regression).T), axis=1)


def linear_log_ratio(theta_rows, x_rows):
    """log r₀ of each pair, (N,), for theta_rows (N, 2P + 1) and x_rows (N, C + P), or one row of them."""
    dim = theta_rows.shape[1] // 2
    v = theta_rows[:, dim:-1] - x_rows[:, -dim:]
    log_r0 = array_module(v).einsum("ij,ij->i", v, v)
    log_r0 *= -0.5
    log_r0 += theta_rows[:, -1]                                                               # (5)
    return log_r0


def log_ratio(params, theta_rows, x_rows):
    """The logit f of each pair, (N,), for theta_rows (N, 2P + 1) and x_rows (N, C + P), or one of them."""
    layers, xp = params["layers"], array_module(theta_rows)
    if fused := classifier_of(params):
        return fused.log_ratio(vector(params), theta_rows, x_rows)
    f = xp.empty(len(theta_rows), layers[0].dtype)
    for block in blocks(len(f), xp, cpu=BLOCK, device=BLOCK_ON_DEVICE):
        rows, of_x = theta_rows[block], x_rows if len(x_rows) == 1 else x_rows[block]
        with work_for(layers, len(rows), 1) as work:
            f[block] = forward(layers, work, rows, of_x)[0]
    return f


def log_ratio_and_grad(params, theta_rows, x_rows):
    """The logit of each pair, (N,), and its gradient in its row of θ, (N, 2P + 1)."""
    layers, n_u = params["layers"], theta_rows.shape[1] - 1
    if fused := classifier_of(params):
        return fused.log_ratio_and_grad(vector(params), theta_rows, x_rows)
    with work_for(layers, len(theta_rows), 1) as work:
        f = forward(layers, work, theta_rows, x_rows)[0].copy()
        work.df[...] = 1
        da = hidden_gradient(layers, work, None).reshape(-1, len(f))
        xp, drows = array_module(f), array_module(f).empty_like(theta_rows)
        xp.matmul(da.T, layers[0][1:1 + n_u].T, out=drows[:, :-1])
        drows[:, n_u // 2:-1] -= work.v[:, 0].T
    drows[:, -1] = 1
    return f, drows


def grad_in_u(prior, inverse, u, drows):
    """∂f/∂u, (N, P), from the gradient in the rows of θ; inverse is L⁻¹."""
    dim = u.shape[1]
    du = drows[:, dim:-1] @ inverse
    du += drows[:, :dim]
    du -= prior.unconstrained_log_prob_and_grad(u)[1]
    return du


def loss(params, theta_rows, x_rows, *, n_contrastive, balance):
    """(8) + (9) for matched rows, in nats."""
    if step := fused(params, (theta_rows, x_rows), n_contrastive=n_contrastive, balance=balance):
        return one_batch.loss(vector(params), step, len(x_rows))
    xp, n_pairs = array_module(theta_rows), count_pairs(theta_rows, n_contrastive)
    f = xp.stack([log_ratio(params, xp.roll(theta_rows, -k, axis=0), x_rows) for k in range(n_pairs)])
    return cross_entropy(f, balance)


def write_grads(params, grads, theta_rows, x_rows, *, n_contrastive, balance):
    """The loss; its gradient goes into grads."""
    if step := fused(params, (theta_rows, x_rows), n_contrastive=n_contrastive, balance=balance):
        return one_batch.write_grads(vector(params), grads.flat, step, len(x_rows))
    layers, dlayers, n_u = params["layers"], grads["layers"], theta_rows.shape[1] - 1
    with work_for(layers, len(theta_rows), count_pairs(theta_rows, n_contrastive)) as work:
        f = forward(layers, work, theta_rows, x_rows)
        value = cross_entropy(f, balance, work.df)
        last_gradient(work, x_rows, dlayers[-1])
        da = hidden_gradient(layers, work, dlayers)
        xp, n, dt, dd = array_module(f), len(theta_rows), work.of_theta, work.of_x
        dt[...] = 0
        for k in range(len(f)):
            dt[:, k:k + n] += da[:, k]
        dt[:, :len(f) - 1] += dt[:, n:]
        da.sum(axis=1, out=dd)
        first, p = dlayers[0], n_u // 2
        dd.sum(axis=1, out=first[0])
        xp.matmul(theta_rows[:, :-1].T, dt[:, :n].T, out=first[1:1 + n_u])
        by_x = x_rows.T @ dd.T
        first[1 + p:1 + n_u] -= by_x[-p:]
        first[1 + n_u:] = by_x[:-p]
        return value


def fused(params, data, batch_size=None, *, n_contrastive, balance):
    """What trains the classifier in its own kernels (kernels.training), None where array code is to run."""
    classifier, settings = classifier_of(params), {"n_contrastive": n_contrastive, "balance": balance}
    return classifier and ratio_kernel.step(classifier, vector(params), *data, **settings)


def classifier_of(params):
    """The classifier's kernels, None where array code is to run."""
    layers = params["layers"]
    if not cuda.wanted(xp := array_module(layers[0])):
        return None
    return ratio_kernel.classifier_of(xp, layers[0].dtype, dense.shapes_of(layers))


def count_pairs(theta_rows, n_contrastive):
    """K + 1; K is lowered to N − 1, the number of other rows."""
    return min(n_contrastive + 1, checks.check_count("u: number of rows", len(theta_rows), least=2))


class Work:
    """The work arrays for n rows, each in n_pairs pairs: the first layer's two sides, the hidden layers', v.

    Units are (H, n_pairs, n), so that what is computed once for each row is added in contiguous runs of n.
    """

    def __init__(self, xp, shapes, n, n_pairs, dtype):
        (n_first, hidden), (n_last, n_out) = shapes[0], shapes[-1]
        p = (n_first - n_out) // 2
        self.tape = dense.Tape(xp, (*shapes[1:-1], (n_last, 1)), n_pairs * n, dtype)
        self.units = self.tape.fed[0].reshape(hidden, n_pairs, n)
        self.last = self.tape.fed[-1].reshape(-1, n_pairs, n)
        self.of_theta, self.of_x = xp.empty((hidden, n + n_pairs - 1), dtype), xp.empty((hidden, n), dtype)
        self.v, self.product = xp.empty((p, n_pairs, n), dtype), xp.empty_like(self.last)
        self.f, self.df = xp.empty((n_pairs, n), dtype), xp.empty((n_pairs, n), dtype)
        self.beside = xp.empty((2, max(h.size for h in self.tape.inputs)), dtype)


def work_for(layers, n, n_pairs):
    """Borrowed work arrays."""
    xp = array_module(layers[0])
    return memory.borrow(Work, xp, dense.shapes_of(layers), n, n_pairs, layers[0].dtype)


def forward(layers, work, theta_rows, x_rows):
    """The logits of row j of x with row j + k of θ, (n_pairs, n)."""
    xp, first, n, n_u = array_module(theta_rows), layers[0], len(theta_rows), theta_rows.shape[1] - 1
    p, n_pairs, c = n_u // 2, len(work.f), x_rows[:, :-(n_u // 2)].T
    t = xp.matmul(first[1:1 + n_u].T, theta_rows[:, :-1].T, out=work.of_theta[:, :n])
    work.of_theta[:, n:] = t[:, :n_pairs - 1]
    d = first[1 + n_u:].T @ c
    d -= first[1 + p:1 + n_u].T @ x_rows[:, -p:].T
    d += first[0][:, None]
    for k in range(n_pairs):
        xp.add(work.of_theta[:, k:k + n], d, out=work.units[:, k])
    xp.tanh(work.units, out=work.units)
    dense.hidden(layers[1:], work.tape)
    work.q = layers[-1][:, 1:] @ c
    work.q += layers[-1][:, :1]
    f = xp.sum(xp.multiply(work.last, work.q[1:, None], out=work.product), axis=0, out=work.f)
    f += work.q[0]
    f += log_r0(work, theta_rows, x_rows)                                                     # (6)
    return f


def log_r0(work, theta_rows, x_rows):
    """(5) for each pair, (n_pairs, n), with v in work.v."""
    xp, n, p = array_module(work.f), len(theta_rows), len(work.v)
    m, sg = x_rows[:, -p:].T, theta_rows[:, p:].T
    sg = xp.concatenate((sg, sg[:, :len(work.f) - 1]), axis=1)
    value = xp.empty_like(work.f)
    for k in range(len(work.f)):
        xp.subtract(sg[:-1, k:k + n], m, out=work.v[:, k])
        value[k] = sg[-1, k:k + n]
    value -= 0.5 * xp.square(work.v).sum(axis=0)                                              # (5)
    return value


def last_gradient(work, x_rows, dlayer):
    """From work.df to the gradient of the last layer, (H + 1, 1 + C): dq [1; c]ᵀ."""
    xp = array_module(work.df)
    dq = xp.empty_like(work.q)
    xp.sum(work.df, axis=0, out=dq[0])
    xp.multiply(work.last, work.df, out=work.product)
    xp.sum(work.product, axis=1, out=dq[1:])
    xp.sum(dq, axis=1, out=dlayer[:, 0])
    xp.matmul(dq, x_rows[:, :-len(work.v)], out=dlayer[:, 1:])


def hidden_gradient(layers, work, dlayers):
    """From work.df to da, (H, n_pairs, n); gradients of the layers between go into dlayers, unless None."""
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

    What a matched and a mismatched pair add to a gradient nearly cancels. Side by side it does so at once,
    and the float32 gradient is closer to that of float64.
    """
    copy, (n_pairs, n) = work.beside[place, :a.size].reshape(a.shape), work.f.shape
    copy.reshape(-1, n, n_pairs)[...] = a.reshape(-1, n_pairs, n).transpose(0, 2, 1)
    return copy
