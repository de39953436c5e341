"""A counter-based generator: each number is a function of the seed and of its place in the stream alone.

    (1)  words w₀ w₁ w₂ w₃ of block b = Philox4x32-10 of the counter (b mod 2³², ⌊b/2³²⌋, 0, 0)
         under the key (seed mod 2³², ⌊seed/2³²⌋)
    (2)  one of its ten rounds, with the upper and lower halves of the 64-bit products p = M₀ c₀, q = M₁ c₂:
             (c₀, c₁, c₂, c₃) ← (upper(q) ⊕ c₁ ⊕ k₀, lower(q), upper(p) ⊕ c₃ ⊕ k₁, lower(p))
             then (k₀, k₁) += (W₀, W₁)
    (3)  uniform   u = (w + ½) 2⁻³²                                   strictly between 0 and 1
    (4)  normal    √(−2 log u₂ᵢ) (cos 2πu₂ᵢ₊₁, sin 2πu₂ᵢ₊₁)           Box–Muller: two words give two normals
    (5)  integer   low + ⌊(high − low) (2³² w₂ᵢ + w₂ᵢ₊₁) 2⁻⁶⁴⌋        two words each

The numbers are the same on any machine and in any order of computation. Each call starts a new block: number
f of a call that starts at block b₀ comes from block b₀ + ⌊f/4⌋ (an integer from b₀ + ⌊f/2⌋). Uniforms take
2³² values. Normals lie within ±6.8; one number in 10¹¹ should lie outside.

Shapes        counter (n, 4), key (2,), words (n, 4).
Conventions   words are unsigned 32-bit integers; sizes are as in NumPy.
Source        "Parallel random numbers: as easy as 1, 2, 3", Salmon, Moraes, Dror, Shaw, 2011; "A note on the
              generation of random normal deviates", Box, Muller, 1958.

Example
-------
>>> from reference.runtime.philox import PhiloxGenerator
>>> rng = PhiloxGenerator(0)
>>> print(rng.random(3).round(4), rng.block)
[0.399  0.8805 0.7357] 1
"""
import math

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = ["PhiloxGenerator", "philox"]

M0, M1, W0, W1, N_ROUNDS = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 10
LOWER, LARGEST = 0xFFFFFFFF, 2**64 - 1


def philox(counter: Array, key: tuple[int, int]) -> Array:
    """The words (n, 4), uint32, of counters under a key: (2), ten times.

    Parameters
    ----------
    counter : (n, 4) uint32
    key : (2,) int
        Below 2³².
    """
    c0, c1, c2, c3 = counter.astype(np.uint64).T
    k0, k1 = key
    for _ in range(N_ROUNDS):
        p, q = np.uint64(M0) * c0, np.uint64(M1) * c2                             # (2)
        c0, c1, c2, c3 = q >> 32 ^ c1 ^ k0, q & LOWER, p >> 32 ^ c3 ^ k1, p & LOWER
        k0, k1 = k0 + W0 & LOWER, k1 + W1 & LOWER
    return np.stack((c0, c1, c2, c3), axis=1).astype(np.uint32)


class PhiloxGenerator:
    """A generator with the draws of NumPy's that this library uses, and with a state that a checkpoint keeps.

    Parameters
    ----------
    seed : int
        In [0, 2⁶⁴).
    like : array, optional
        In accel, numbers are drawn where it lives and in its dtype; without it in float64 on the host.

    Attributes
    ----------
    block : int
        Where the next call starts; may be set.

    Raises
    ------
    ValueError
        If seed is not a whole number of 64 bits.
    """

    def __init__(self, seed: int, *, like: Array = None):
        self.seed, self.block = check_word("seed", seed), 0

    def random(self, size: int | tuple | None = None) -> Array:
        """Uniform numbers (3).

        Parameters
        ----------
        size : int or tuple of int, optional
            The shape; one number without it.
        """
        shape, n = check_size(size)
        return ((self._words(n) + 0.5) / 2**32)[:n].reshape(shape)                # (3)

    def standard_normal(self, size: int | tuple | None = None) -> Array:
        """Standard normal numbers (4).

        Parameters
        ----------
        size : int or tuple of int, optional
            The shape; one number without it.
        """
        shape, n = check_size(size)
        u = ((self._words(n) + 0.5) / 2**32).reshape(-1, 2)
        radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * math.pi * u[:, 1]
        pairs = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)            # (4)
        return pairs.ravel()[:n].reshape(shape)

    def integers(self, low: int, high: int | None = None, size: int | tuple | None = None) -> Array:
        """Whole numbers (5) in [low, high), or in [0, low) without high; int64.

        Parameters
        ----------
        low, high : int
            Within 64 bits, with at least one number between them.
        size : int or tuple of int, optional
            The shape; one number without it.

        Raises
        ------
        ValueError
            If a limit is not a whole number, or there is no number between them.
        """
        low, high = check_range(low, high)
        shape, n = check_size(size)
        words = self._words(2 * n).astype(object).reshape(-1, 2)      # Python's integers have any length
        drawn = (words[:, 0] << 32 | words[:, 1]) * (high - low) >> 64            # (5)
        return (low + drawn[:n]).astype(np.int64).reshape(shape)

    def _words(self, n):
        """Whole blocks with at least n words, from `block` on; the next call starts behind them."""
        n_blocks = -(-n // 4)
        blocks = np.arange(n_blocks, dtype=np.uint64) + np.uint64(self.block)
        counter = np.zeros((n_blocks, 4), np.uint32)
        counter[:, 0], counter[:, 1] = blocks & LOWER, blocks >> 32
        self.block += n_blocks
        return philox(counter, (self.seed & LOWER, self.seed >> 32)).ravel()      # (1)

    bit_generator = property(lambda self: self, doc="The generator itself, which has a `state`.")

    @property
    def state(self) -> dict:
        """What sets a generator back, as plain values: its kind, seed and block."""
        return {"bit_generator": "Philox4x32-10", "seed": self.seed, "block": self.block}

    @state.setter
    def state(self, state: dict) -> None:
        if not isinstance(state, dict) or state.get("bit_generator") != "Philox4x32-10":
            kind = state.get("bit_generator") if isinstance(state, dict) else state
            raise ValueError(f"state: expected that of a PhiloxGenerator, got {kind!r}")
        self.seed, self.block = check_word("seed", state["seed"]), check_word("block", state["block"])


def check_word(name, value):
    """A whole number of 64 bits, or ValueError."""
    if checks.check_count(name, value, least=0) > LARGEST:
        raise ValueError(f"{name}: expected a whole number below 2^64, got {value}")
    return int(value)


def check_size(size):
    """The shape, and how many numbers it holds."""
    shape = () if size is None else tuple(size) if isinstance(size, (tuple, list)) else (size,)
    shape = tuple(checks.check_count("size", length, least=0) for length in shape)
    return shape, math.prod(shape)


def check_range(low, high):
    """low and high as whole numbers with at least one number between them, or ValueError."""
    low, high = (0, low) if high is None else (low, high)
    for name, value in (("low", low), ("high", high)):
        checks.check_count(name, value, least=-2**63)
    if not low < high < 2**63:
        raise ValueError(f"high: expected a whole number above low = {low} and below 2^63, got {high}")
    return int(low), int(high)
