"""Cross-entropy of a classifier that compares matched with mismatched parameters, from its logits.

The mathematics is in `reference.inference.cross_entropy`. Same value; its gradient is written by hand:

    2N ∂(8)/∂f_k = [k < K] e^f_k/(K + ∑ₗ₌₀ᴷ⁻¹ e^fₗ) + [k > 0] e^f_k/(K + ∑ₗ₌₁ᴷ e^fₗ) − [k = 0]
    ∂(9)/∂f_k    = 2λ (⟨s(f₀)⟩ + ⟨s(fₖ)⟩ − 1) s′(f_k) / (N or NK),   s′ = ¼ (1 − tanh²(f/2))

In the first line of k = 0 the term −1 would cancel the other one: together they are an expm1.

Example
-------
>>> import numpy as np
>>> from accel.inference.cross_entropy import cross_entropy
>>> f = np.array([[2.0, 900.0], [-1.0, -900.0]])                      # a classifier that is right
>>> round(float(cross_entropy(f)), 3)
0.11
"""
import math

from accel.device import array_module

__all__ = []
SHARED = ["cross_entropy"]
__all__ += SHARED


def cross_entropy(f, balance=0.0, df=None):
    """(8) + (9) for f (K + 1, N); its gradient is written into df where that is given."""
    xp, (n_pairs, n) = array_module(f), f.shape
    log_k = math.log(n_pairs - 1)
    shared = xp.full_like(f[0], log_k)
    for row in f[1:-1]:
        xp.logaddexp(shared, row, out=shared)
    with_matched, without = xp.logaddexp(shared, f[0]), xp.logaddexp(shared, f[-1])
    value = 0.5 * ((with_matched - f[0]).mean() + (without - log_k).mean())                   # (8)
    if df is not None:
        xp.subtract(f[1:], without, out=df[1:])
        xp.exp(df[1:], out=df[1:])
        xp.expm1(f[0] - with_matched, out=df[0])                      # with the −1, which would cancel
        df[1:-1] += xp.exp(f[1:-1] - with_matched)
        df *= 0.5 / n
    if balance:
        tanh = xp.tanh(0.5 * f)
        imbalance = 0.5 * (tanh[0].mean() + tanh[1:].mean())
        value = value + balance * imbalance**2                                                # (9)
        if df is not None:
            slope = 1 - tanh * tanh                                   # of tanh(f/2), twice
            slope *= 0.5 * balance * imbalance / n
            slope[1:] /= n_pairs - 1
            df += slope
    return value
