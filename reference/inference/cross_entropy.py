"""Cross-entropy of a classifier that compares matched with mismatched parameters, from its logits.

    (7)  −(1/2N) ∑ⱼ [log s(fⱼ₀) + log(1 − s(fⱼ₁))],   s(f) = 1/(1 + e⁻ᶠ)
    (8)  −(1/2N) ∑ⱼ [log e^fⱼ₀/(K + ∑ₖ₌₀ᴷ⁻¹ e^fⱼₖ) + log K/(K + ∑ₖ₌₁ᴷ e^fⱼₖ)]
    (9)  λ (⟨s(fⱼ₀)⟩ + ⟨s(fⱼₖ)⟩ₖ₌₁… − 1)²

In (8) the classifier finds the matched parameters among K candidates, or says that none of K matches. (8) is
(7) for K = 1.

Shapes        N data, K mismatches of each; f (K + 1, N), f₀ the logits of the matched pairs.
Conventions   nats; the formulas are numbered as in `inference.ratio`, which has their sources. Logarithms of
              sums are taken by logaddexp, so that the loss is finite for all logits.

Example
-------
>>> import numpy as np
>>> from reference.inference.cross_entropy import cross_entropy
>>> f = np.array([[2.0, 900.0], [-1.0, -900.0]])                      # a classifier that is right
>>> round(float(cross_entropy(f)), 3)
0.11
"""
from functools import reduce

import autograd.numpy as np

__all__ = []
SHARED = ["binary_cross_entropy", "cross_entropy_literal", "cross_entropy", "imbalance"]
__all__ += SHARED


def binary_cross_entropy(matched, mismatched):
    """(7) for logits (N,) each."""
    def s(f):
        return 1 / (1 + np.exp(-f))
    return -0.5 * np.mean(np.log(s(matched))) - 0.5 * np.mean(np.log(1 - s(mismatched)))  # (7)


def cross_entropy_literal(f):
    """(8) for logits f (K + 1, N)."""
    e, k = np.exp(f), len(f) - 1
    matched, none = e[0] / (k + np.sum(e[:-1], axis=0)), k / (k + np.sum(e[1:], axis=0))
    return -0.5 * np.mean(np.log(matched) + np.log(none))                                 # (8)


def cross_entropy(f):
    """(8) for logits f (K + 1, N), finite for all logits."""
    log_k = np.log(len(f) - 1.0)
    shared = reduce(np.logaddexp, f[1:-1], log_k * np.ones(f.shape[1]))   # log(K + what is in both sums)
    with_matched, without = np.logaddexp(shared, f[0]), np.logaddexp(shared, f[-1])
    return 0.5 * np.mean(with_matched - f[0] + without - log_k)                           # (8)


def imbalance(f):
    """⟨s(f₀)⟩ + ⟨s(fₖ)⟩ − 1 of (9), for logits f (K + 1, N); s(f) = ½ + ½ tanh(f/2)."""
    return 0.5 * np.mean(np.tanh(f[0] / 2)) + 0.5 * np.mean(np.tanh(f[1:] / 2))           # (9)
