"""Neural spline flow: a masked autoregressive flow whose every transform bends each dimension by a monotonic
spline.

The mathematics is in `reference.density.nsf`. Same values; work arrays are feature-major and allocated once
(see `accel.density.made`, whose affine map and network are used as they are), the bin of a value is found by
comparison with all knots at once and only what that bin needs is gathered: slopes pass through (4) after
that, two for each value instead of K − 1.

Backward through (3) to (7), with dz the gradient of the loss with respect to z = g(u) and dℓ that with
respect to log g′. With q = ξ(1−ξ), t = δₖ₊₁ + δₖ − 2s, p = s ξ² + δₖ q, v = s + t q and m = δₖ₊₁ ξ² + 2s q +
δₖ (1−ξ)²,

    z = zₖ + h p/v,   log g′ = 2 log s + log m − 2 log v

    dp = dz h/v,   dv = −(dp p + 2dℓ)/v,   dm = dℓ/m
    dq = δₖ dp + t dv + 2s dm
    dξ = 2s ξ dp + (1 − 2ξ) dq + 2 [δₖ₊₁ ξ − δₖ (1−ξ)] dm
    ds = ξ² dp + (1 − 2q) dv + 2q dm + 2dℓ/s
    dδₖ = q dp + q dv + (1−ξ)² dm,   dδₖ₊₁ = q dv + ξ² dm               both ⊙ (1 − e^{m−δ}), the slope of (4)
    du = dξ/w,   duₖ = −du                                               from ξ = (u − uₖ)/w
    dw = −ξ du − s ds/w,   dh = p/v dz + ds/w,   dzₖ = dz                from s = h/w
    dwⱼ = duₖ for j < k, dw for j = k, 0 beyond;   heights alike         uₖ = −B + ∑_{j<k} wⱼ
    da = 2B(1 − mK) σ ⊙ (dwⱼ − ∑ⱼ σⱼ dwⱼ)                                σ = softmax(a)

and du goes on into the affine map. Outside [−B, B], du = dz and all else is zero. The gradients of log p
itself, row by row, are the same walk from dz = −z, dℓ = 1, which leaves the parameters alone.

Example
-------
>>> import numpy as np
>>> from accel.density import nsf
>>> params = nsf.init_params(np.random.default_rng(0), dim=2, n_transforms=1, hidden=(8,))
>>> nsf.log_prob(params, np.zeros((1, 2))).round(4)         # starts as the standard normal: −log 2π
array([-1.8379])
"""
import math
from functools import lru_cache
from typing import Any, NamedTuple

from accel.density import made
from accel.density._help import documented
from accel.device import array_module
from accel.nets import dense
from accel.runtime import checks
from accel.runtime._vector import bound
from accel.runtime.protocols import Array, Params, Rng

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample",
           "loss", "loss_and_grad"]
SHARED = ["flow_of", "write_grads"]
__all__ += SHARED

B, M = 5.0, 1e-3
OFFSET = math.log(math.expm1(1 - M))


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_transforms: int = 3, hidden: tuple = (50, 50),
                n_bins: int = 8) -> Params:
    """T transforms that all start as the identity.

    Parameters
    ----------
    rng : Generator
        Where the weights come from.
    dim, context_dim, n_transforms, n_bins : int
        D, C, T and K; K at least 2.
    hidden : tuple of int
        Units of each hidden layer of every transform.
    """
    checks.check_count("n_transforms", n_transforms)
    checks.check_count("n_bins", n_bins, least=2)
    chain = [made.init_params(rng, dim=dim, context_dim=context_dim, hidden=hidden)["layers"]
             for _ in range(n_transforms)]
    xp, dtype = array_module(chain[0][0]), chain[0][0].dtype
    return {"mades": [[*layers[:-1], xp.zeros((len(layers[-1]), 3 * n_bins + 1, dim), dtype=dtype)]
                      for layers in chain]}


@documented
def forward(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    flow, params = flow_of(params)
    return flow.forward(params, x, context)


@documented
def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    flow, params = flow_of(params)
    return flow.invert(params, z, context)


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    flow, params = flow_of(params)
    return flow.log_prob(params, x, context)


@documented
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    flow, params = flow_of(params)
    return flow.log_prob_and_grad(params, x, context)


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    flow, params = flow_of(params)
    return flow.sample(params, rng, n, context)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -log_prob(params, x, context).mean()


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    flow, params = flow_of(params)
    return flow.loss_and_grad(params, x, context)


def write_grads(params, grads, x, context=None, dcontext=None):
    """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C, N)."""
    flow, params = flow_of(params)
    return flow.write_grads(params, grads, x, context, dcontext)


class Flow(made.Flow):
    """The transforms in array code."""

    def make_works(self, xp, n):
        return made.works_of(Work, xp, self.shapes, n, self.dtype)

    def walk(self, chain, works, columns):
        for k, (layers, work) in enumerate(zip(chain, works)):
            columns = to_gaussian(layers, work, columns[::-1] if k else columns)
        return columns

    def log_det_of(self, works):
        return sum((work.log_slope - work.log_sigma).sum(axis=0) for work in works)

    def sum_log_det(self, works):
        return self.log_det_of(works).sum()

    def walk_back(self, chain, works, dz, dlog_det, grads, dcontext):
        """dx comes with dcontext alone; gradients go into grads and dcontext (C, n), unless these are
        None.
        """
        for k in range(len(works) - 1, -1, -1):
            du = spline_backward(works[k], dz, dlog_det)
            dlayers = None if grads is None else [layer.reshape(len(layer), -1)
                                                  for layer in grads["mades"][k]]
            dx, dc = made.to_gaussian_backward(chain[k], works[k], du, dlog_det, dlayers,
                                               need_dx=k > 0 or dcontext is not None,
                                               need_dcontext=dcontext is not None)
            if dcontext is not None:
                dcontext += dc
            dz = dx[::-1] if k else dx
        if grads is not None:
            grads.flat *= chain.mask
        return dz

    def walk_inverse(self, chain, works, columns):
        for k in range(len(works) - 1, -1, -1):
            columns = from_gaussian(chain[k], works[k], columns)
            columns = columns[::-1] if k else columns
        return columns


_flow = lru_cache(maxsize=64)(Flow)


def flow_of(params):
    """The flow that these parameters have, and the parameters with their vector."""
    params = bound(params)
    shapes = tuple([dense.shapes_of(layers) for layers in params["mades"]])
    return _flow(array_module(params.flat), params.flat.dtype, shapes), params


class Knots:
    """Work arrays for the knots of one spline in each of (D, n) cells; axis 0 of the first three tells u
    from z.
    """

    def __init__(self, xp, n_bins, dim, n, dtype):
        self.share, self.size, self.left = (xp.empty((2, n_bins, dim, n), dtype) for _ in range(3))
        self.left[:, 0] = -B
        self.raw = xp.zeros((n_bins + 1, dim, n), dtype)              # zeros at both ends: slope 1
        self.cell = xp.arange(dim * n).reshape(dim, n)

    def read(self, out):
        """(3) from the network's outputs for widths, heights and slopes, (3K − 1, D, n)."""
        xp, n_bins = array_module(out), self.size.shape[1]
        a = out[:2 * n_bins].reshape(self.share.shape)
        xp.subtract(a, a.max(axis=1, keepdims=True), out=self.share)
        xp.exp(self.share, out=self.share)
        self.share /= self.share.sum(axis=1, keepdims=True)
        xp.multiply(self.share, 2 * B * (1 - M * n_bins), out=self.size)
        self.size += 2 * B * M
        for k in range(n_bins - 1):
            xp.add(self.left[:, k], self.size[:, k], out=self.left[:, k + 1])
        self.raw[1:-1] = out[2 * n_bins:]

    def bin_of(self, value, axis):
        """The bin that holds each value, (D, n), among those of u (axis 0) or z (axis 1)."""
        xp = array_module(value)
        inside = xp.abs(value) < B
        value = xp.where(inside, value, 0)
        passed = value >= self.left[axis, 1:]
        at = passed.sum(axis=0) * self.cell.size
        at += self.cell
        edge, size = (xp.take(array.reshape(2, -1), at, axis=1) for array in (self.left, self.size))
        slope = xp.take(self.raw.reshape(-1), xp.stack((at, at + self.cell.size)))
        slope += OFFSET
        slope = xp.logaddexp(slope, xp.zeros_like(slope))
        slope += M
        s = size[1] / size[0]
        return Bin(inside, value, passed, at, edge, size, slope, s, slope[0] + slope[1] - 2 * s)


class Bin(NamedTuple):
    """What (5) and (6) need, (D, n) each: where, which knots were passed (K − 1, D, n), edges and sizes in
    (u, z), δₖ and δₖ₊₁, s, t.
    """
    inside: Any
    value: Any
    passed: Any
    at: Any
    edge: Any
    size: Any
    slope: Any
    s: Any
    t: Any


class Work(made.Work):
    """The work of one transform for n columns: that of its affine map and network, and of its splines."""

    def __init__(self, xp, shapes, n, dtype):
        super().__init__(xp, shapes, n, dtype)
        dim, n_bins = self.sizes[0], (shapes[-1][1] - 1) // 3
        self.knots, self.row_knots = Knots(xp, n_bins, dim, n, dtype), Knots(xp, n_bins, 1, n, dtype)
        self.bin, self.xi, self.ratio, self.m, self.v = None, None, None, None, None
        self.log_slope = xp.empty((dim, n), dtype)


def to_gaussian(layers, work, x):
    """z (D, n); all that a backward pass needs stays in work."""
    u = made.to_gaussian(layers, work, x)
    xp, dim = array_module(u), len(u)
    work.knots.read(work.tape.out[2 * dim:].reshape(-1, *u.shape))
    work.bin = found = work.knots.bin_of(u, 0)
    (d0, _), s, h = found.slope, found.s, found.size[1]
    work.xi = xi = (found.value - found.edge[0]) / found.size[0]
    q = xi * (1 - xi)
    work.m, work.v = derivative(found, xi, q)
    work.ratio = (s * xi * xi + d0 * q) / work.v                      # p/v
    work.log_slope[...] = log_derivative(found, work.m, work.v)
    return xp.where(found.inside, found.edge[1] + h * work.ratio, u)


def derivative(found, xi, q):
    """m and v of g′ = s² m/v²."""
    d0, d1 = found.slope
    return d1 * xi * xi + 2 * found.s * q + d0 * (1 - xi) * (1 - xi), found.s + found.t * q


def log_derivative(found, m, v):
    """log g′, zero outside."""
    xp = array_module(m)
    return xp.where(found.inside, 2 * xp.log(found.s / v) + xp.log(m), 0)


def spline_backward(work, dz, dlog_slope):
    """Write the rows of work.dout that belong to the splines; return du, (D, n)."""
    found, knots, xi, v = work.bin, work.knots, work.xi, work.v
    xp, dim, n_bins = array_module(dz), len(dz), knots.size.shape[1]
    (d0, d1), s, (w, h) = found.slope, found.s, found.size
    q, rest = xi * (1 - xi), 1 - xi
    dg = xp.where(found.inside, dz, 0)
    dl = xp.where(found.inside, xp.asarray(dlog_slope, dtype=dz.dtype), 0)
    dp = dg * h / v
    dv = -(dg * h * work.ratio + 2 * dl) / v
    dm = dl / work.m
    dq = d0 * dp + found.t * dv + 2 * s * dm
    du = (2 * s * xi * dp + (1 - 2 * xi) * dq + 2 * (d1 * xi - d0 * rest) * dm) / w
    ds = xi * xi * dp + (1 - 2 * q) * dv + 2 * q * dm + 2 * dl / s
    dslope = xp.stack((q * (dp + dv) + rest * rest * dm, q * dv + xi * xi * dm))
    dslope *= -xp.expm1(M - found.slope)

    dout = work.dout[2 * dim:].reshape(-1, *dz.shape)
    dsize, draw = dout[:2 * n_bins].reshape(knots.size.shape), xp.zeros_like(knots.raw)
    dsize[:, -1] = 0
    xp.multiply(found.passed, -du, out=dsize[0, :-1])
    xp.multiply(found.passed, dg, out=dsize[1, :-1])
    flat = dsize.reshape(2, -1)
    flat[0, found.at] = -xi * du - s * ds / w
    flat[1, found.at] = work.ratio * dg + ds / w
    dsize -= (knots.share * dsize).sum(axis=1, keepdims=True)
    dsize *= knots.share
    dsize *= 2 * B * (1 - M * n_bins)
    flat = draw.reshape(-1)
    flat[found.at], flat[found.at + knots.cell.size] = dslope
    dout[2 * n_bins:] = draw[1:-1]
    return xp.where(found.inside, du, dz)


def from_gaussian(layers, work, z):
    """x, (D, n), dimension by dimension."""
    for i, out in made.outputs(layers, work):
        work.row_knots.read(out[2:, None])
        u, work.log_slope[i] = spline_inverse(work.row_knots, z[i:i + 1])
        made.affine_inverse(work, i, out, u[0])
    return work.x


def spline_inverse(knots, z):
    """g⁻¹(z), and log g′ there, (1, n) and (n,)."""
    xp, found = array_module(z), knots.bin_of(z, 1)
    (d0, _), s, (w, h) = found.slope, found.s, found.size
    y = found.value - found.edge[1]
    a = h * (s - d0) + y * found.t
    b = h * d0 - y * found.t
    c = s * y                                                         # −c of (9)
    root = xp.sqrt(xp.maximum(b * b + 4 * a * c, 0))
    positive = b >= 0
    xi = xp.where(positive, 2 * c, root - b) / xp.where(positive, b + root, 2 * a)
    m, v = derivative(found, xi, xi * (1 - xi))
    return xp.where(found.inside, found.edge[0] + w * xi, z), log_derivative(found, m, v)[0]
