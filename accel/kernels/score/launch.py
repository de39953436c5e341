"""Launches the kernels of score.cu: the score of a network at many points, in two launches."""
from accel.kernels import cuda
from accel.device import array_module
from accel.kernels.score import network

__all__ = ["score"]

BLOCKS_EACH = 2                                                       # of a multiprocessor, which take the tiles in turn


def score(params, x, sigma, spread, tau):
    """s(x, σ) for x (N, D) and σ (1,) or (N,); None where kernels do not serve."""
    xp, layers, (n, dim), dtype = array_module(x), params["layers"], x.shape, x.dtype
    if not n or dtype != params.flat.dtype:
        return None
    fit = network.fit(xp, dim, network.widths_of(layers), dim + network.TOLD, dtype, n)
    if fit is None:
        return None
    kernels, out = cuda.load("kernels/score/score.cu", dtype, **fit.constants), xp.empty_like(x, order="C")
    tau2 = params.scratch("tau2", lambda: xp.asarray(tau**2, dtype=dtype))
    packed = params.scratch("packed", lambda: xp.empty(fit.n_packed, dtype))
    spread = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(spread, dtype=dtype), (dim,)))
    kernels("pack", -(-fit.n_packed // 256), 256, params.flat, packed)
    n_blocks = min(-(-n // fit.tile), cuda.multiprocessors(xp) * BLOCKS_EACH)
    kernels("score", n_blocks, fit.threads, packed, xp.ascontiguousarray(x), xp.ascontiguousarray(sigma), spread, tau2, out, n, len(sigma),
            shared=fit.shared)
    return out
