"""Neural spline flow: a masked autoregressive flow with a monotonic spline in every dimension.

    (1)  z = f_T ∘ r ∘ f_{T−1} ∘ … ∘ r ∘ f₁ (x),   r the reversal of the dimensions
    (2)  f:  uᵢ = (xᵢ − μᵢ)/σᵢ,  zᵢ = gᵢ(uᵢ)      μᵢ, σᵢ and the spline gᵢ depend on x₁ … xᵢ₋₁ and the context
    (3)  wₖ = 2B [m + (1 − mK) softmax(a)ₖ],  uₖ = −B + ∑_{j<k} wⱼ   the K bins of u; those of z alike
    (4)  δₖ = m + log(1 + e^{aₖ + o}),  δ₀ = δ_K = 1                g′ at the knots; o such that a = 0 gives 1
    (5)  g(u) = zₖ + hₖ [s ξ² + δₖ ξ(1−ξ)] / [s + (δₖ₊₁ + δₖ − 2s) ξ(1−ξ)],   s = hₖ/wₖ,  ξ = (u − uₖ)/wₖ
    (6)  g′(u) = s² [δₖ₊₁ ξ² + 2s ξ(1−ξ) + δₖ (1−ξ)²] / [s + (δₖ₊₁ + δₖ − 2s) ξ(1−ξ)]²
    (7)  g(u) = u where |u| ≥ B
    (8)  log|det ∂z/∂x| = ∑ over transforms and i of log g′ᵢ − log σᵢ
    (9)  u = g⁻¹(z):  ξ is the root in [0, 1] of a ξ² + b ξ + c = 0, with y = z − zₖ and t = δₖ₊₁ + δₖ − 2s,
         a = h(s − δₖ) + y t,   b = h δₖ − y t,   c = −s y;   then x dimension by dimension, as in made
   (10)  loss = −(1/N) ∑ₙ log p(xₙ|cₙ),   log p(x|c) = log N(z; 0, I) + (8)

With all a = 0 the spline is the identity, so that the flow contains the masked autoregressive flow, and
starts as it does.

Shapes        N samples, D dimensions, C context, T transforms, K bins; x, z (N, D); context (N, C). The last
              layer of each network is (n_in, 3K + 1, D): for every dimension μ, log σ before its bound, K
              widths, K heights, K − 1 slopes.
Conventions   nats; f maps data to the Gaussian; each transform is one masked network (see made). m = 0.001, B
              = 5.
Source        "Neural Spline Flows", Durkan, Bekasov, Murray and Papamakarios, 2019, section 3 and eqs. 4–8;
              "Piecewise rational quadratic interpolation", Gregory and Delbourgo, 1982 (the spline).
Departures    the affine map in front of the spline is part of the transform: it moves what the spline must
              bend into [−B, B]. (9) takes the form of the root whose terms do not cancel, by the sign of b;
              the paper's cancels where b < 0.

Example
-------
>>> import numpy as np
>>> from reference.density import nsf
>>> params = nsf.init_params(np.random.default_rng(0), dim=2, n_transforms=1, hidden=(8,))
>>> nsf.log_prob(params, np.zeros((1, 2))).round(4)         # starts as the standard normal: −log 2π
array([-1.8379])
"""
import autograd.numpy as np
from autograd import value_and_grad

from reference.numerics.log_sum_exp import softmax
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.density import flows, made
from reference.density._help import documented

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample",
           "loss", "loss_and_grad"]

B, M = 5.0, 1e-3
OFFSET = np.log(np.expm1(1 - M))


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_transforms: int = 3,
                hidden: tuple = (50, 50), n_bins: int = 8) -> Params:
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
    return {"mades": [[*layers[:-1], np.zeros((len(layers[-1]), 3 * n_bins + 1, dim))] for layers in chain]}


@documented
def forward(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    log_det = 0.0
    for k, layers in enumerate(params["mades"]):
        if k:
            x = x[:, ::-1]                                            # r of (1)
        mu, log_sigma, knots = conditionals(layers, x, context)
        x, log_slope = spline(knots, (x - mu) * np.exp(-log_sigma))   # (2)
        log_det = log_det + np.sum(log_slope - log_sigma, axis=1)     # (8)
    return x, log_det


@documented
def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    log_det = 0.0
    for k, layers in reversed(list(enumerate(params["mades"]))):
        x = np.zeros_like(z)
        for i in range(z.shape[1]):
            mu, log_sigma, knots = conditionals(layers, x, context)   # columns ≤ i are final from here on
            u, log_slope = spline_inverse(knots, z)
            x = np.concatenate((x[:, :i], mu[:, i:] + np.exp(log_sigma[:, i:]) * u[:, i:]), axis=1)
        log_det = log_det + np.sum(log_sigma - log_slope, axis=1)
        z = x[:, ::-1] if k else x
    return z, log_det


def conditionals(layers, x, context):
    """μ and log σ (N, D), and the knots: bins in u and in z, (left edges, sizes) (N, K, D) each, and
    slopes (N, K + 1, D).
    """
    out = np.reshape(made.network(layers, x, context), (len(x), *layers[-1].shape[1:]))
    n_bins, ones = (out.shape[1] - 1) // 3, np.ones((len(x), 1, out.shape[2]))
    log_sigma = made.S * np.tanh(out[:, 1] / made.S)
    slopes = M + np.logaddexp(0.0, out[:, 2 + 2 * n_bins:] + OFFSET)                            # (4)
    return out[:, 0], log_sigma, (bins(out[:, 2:2 + n_bins]), bins(out[:, 2 + n_bins:2 + 2 * n_bins]),
                                  np.concatenate((ones, slopes, ones), axis=1))


def bins(a):
    """The left edges and the sizes of the bins, (N, K, D) each."""
    sizes = 2 * B * (M + (1 - M * a.shape[1]) * softmax(a, axis=1))                                   # (3)
    return np.concatenate((np.full_like(sizes[:, :1], -B), np.cumsum(sizes[:, :-1], axis=1) - B),
                          axis=1), sizes


def spline(knots, u):
    """g(u) and log g′(u), (N, D)."""
    inside = np.abs(u) < B
    inner = np.where(inside, u, 0.0)
    (left, w), (bottom, h), (d0, d1) = in_bin(knots, 0, inner)
    s, xi = h / w, (inner - left) / w
    z = bottom + h * (s * xi**2 + d0 * xi * (1 - xi)) / (s + (d0 + d1 - 2 * s) * xi * (1 - xi))  # (5)
    return np.where(inside, z, u), np.where(inside, log_slope(s, d0, d1, xi), 0.0)              # (7)


def spline_inverse(knots, z):
    """g⁻¹(z), and log g′ there, (N, D)."""
    inside = np.abs(z) < B
    inner = np.where(inside, z, 0.0)
    (left, w), (bottom, h), (d0, d1) = in_bin(knots, 1, inner)
    s, y = h / w, inner - bottom
    t = d0 + d1 - 2 * s
    a, b, c = h * (s - d0) + y * t, h * d0 - y * t, -s * y
    root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
    positive = b >= 0
    xi = np.where(positive, -2 * c, root - b) / np.where(positive, b + root, 2 * a)             # (9)
    return np.where(inside, left + w * xi, z), np.where(inside, log_slope(s, d0, d1, xi), 0.0)


def log_slope(s, d0, d1, xi):
    """log g′ of (6)."""
    q = xi * (1 - xi)
    m, v = d1 * xi**2 + 2 * s * q + d0 * (1 - xi)**2, s + (d0 + d1 - 2 * s) * q
    return 2 * np.log(s) + np.log(m) - 2 * np.log(v)


def in_bin(knots, axis, value):
    """The bin that holds the value, in u (axis 0) or in z (axis 1): its left edge and size in both, and
    the slopes at its ends.
    """
    (left, w), (bottom, h), slopes = knots
    edges = (left, bottom)[axis]
    k = np.sum(value[:, None] >= edges[:, 1:], axis=1)
    found = 1.0 * (np.arange(edges.shape[1])[:, None] == k[:, None])  # one-hot, (N, K, D)

    def pick(array):
        return np.sum(found * array, axis=1)
    return (pick(left), pick(w)), (pick(bottom), pick(h)), (pick(slopes[:, :-1]), pick(slopes[:, 1:]))


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    x, context = flows.check_inputs(x, context, *made.sizes(params["mades"][0])[:2])
    z, log_det = forward(params, x, context)
    return -0.5 * np.sum(z**2, axis=1) - 0.5 * z.shape[1] * np.log(2 * np.pi) + log_det


@documented
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    return flows.value_and_row_gradients(log_prob, params,
                                         *flows.check_inputs(x, context, *made.sizes(params["mades"][0])[:2]))


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    dim, context_dim, _ = made.sizes(params["mades"][0])
    z, context, shape = flows.draw_base(rng, n, dim, context_dim, context)
    return inverse(params, z, context)[0].reshape(shape)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -np.mean(log_prob(params, x, context))                     # (10)


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, context)
