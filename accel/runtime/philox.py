"""A counter-based generator: each number is a function of the seed and of its place alone, on any machine and in any order.

The mathematics is in `reference.runtime.philox`. Same numbers, born where `like` lives and in its dtype. On a device one kernel
writes them straight into the array, and kernels that draw for themselves go on counting where this generator stands; array code
turns the four words of a counter over in four buffers, with one more for the upper halves.

In float32 a uniform is the nearest number to (3) that is below one. The logarithm in (4) is taken of the smaller of u and 1 − u,
both of which a word holds exactly, and the angle is measured from −π, so that a normal is good to rounding in either dtype.
"""
import math

import numpy as np

from accel.kernels import cuda
from accel.kernels.philox import launch as philox_kernel
from accel.runtime import checks
from accel.device import array_module

__all__ = ["CounterGenerator", "philox"]

M0, M1, W0, W1, N_ROUNDS = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 10
LOWER, LARGEST = 0xFFFFFFFF, 2**64 - 1


def philox(counter, key):
    """(2), ten times: the words (n, 4) of counters (n, 4), uint32, under a key of two integers below 2³²."""
    xp = array_module(counter)
    c0, c1, c2, c3 = (counter[:, i].astype(np.uint64) for i in range(4))
    upper, (k0, k1) = xp.empty_like(c0), key
    for _ in range(N_ROUNDS):
        for product, multiplier, other, k in ((c2, M1, c1, k0), (c0, M0, c3, k1)):
            product *= multiplier
            xp.right_shift(product, 32, out=upper)
            other ^= upper
            other ^= k
            product &= LOWER
        c0, c1, c2, c3 = c1, c2, c3, c0                               # each written over what it was made of
        k0, k1 = k0 + W0 & LOWER, k1 + W1 & LOWER
    return xp.stack((c0, c1, c2, c3), axis=1).astype(np.uint32)


class CounterGenerator:
    """Has the draws of a NumPy Generator that this library uses, and its `bit_generator.state`, which a checkpoint keeps."""

    def __init__(self, seed, *, like=None):
        self.seed, self.block = check_word("seed", seed), 0
        self.xp, self.dtype = array_module(like), np.dtype(np.float64) if like is None else checks.as_array("like", like).dtype

    def random(self, size=None):
        """Uniforms (3)."""
        shape, n = check_size(size)
        if cuda.wanted(self.xp):
            return philox_kernel.fill(self, "uniforms", n).reshape(shape)
        u = self._words(n).astype(self.dtype)
        u *= 2.0**-32
        u += 2.0**-33
        self.xp.minimum(u, 1 - float(np.finfo(self.dtype).epsneg), out=u)
        return u[:n].reshape(shape)

    def standard_normal(self, size=None):
        """Normals (4)."""
        shape, n = check_size(size)
        if cuda.wanted(self.xp):
            return philox_kernel.fill(self, "normals", n).reshape(shape)
        xp, words = self.xp, self._words(n).reshape(-1, 2)
        above = words[:, 0] > LOWER >> 1
        smaller = xp.where(above, ~words[:, 0], words[:, 0]).astype(self.dtype)
        smaller += 0.5
        smaller *= 2.0**-32                                           # of u and 1 − u
        radius = xp.where(above, xp.log1p(-smaller), xp.log(smaller))
        radius *= -2
        xp.sqrt(radius, out=radius)
        angle = words[:, 1].copy().view(np.int32).astype(self.dtype)
        angle += 0.5
        angle *= math.pi * 2.0**-31
        drawn = xp.empty((len(words), 2), dtype=self.dtype)
        xp.cos(angle, out=drawn[:, 0])
        xp.sin(angle, out=drawn[:, 1])
        drawn *= radius[:, None]
        return drawn.ravel()[:n].reshape(shape)

    def integers(self, low, high=None, size=None):
        """Whole numbers (5) in [low, high), or in [0, low) without high; int64."""
        low, high = check_range(low, high)
        shape, n = check_size(size)
        if cuda.wanted(self.xp):
            return philox_kernel.integers(self, n, low, high - low).reshape(shape)
        words = self._words(2 * n).astype(np.uint64).reshape(-1, 2)
        drawn = upper_product(words[:, 0], words[:, 1], high - low)[:n].astype(np.int64)
        drawn += np.int64(low)
        return drawn.reshape(shape)

    def _words(self, n):
        """Whole blocks with at least n words, from where the next call starts: the call after it starts behind them."""
        n_blocks = -(-n // 4)
        blocks = self.xp.arange(n_blocks, dtype=np.uint64)
        blocks += np.uint64(self.block)
        counter = self.xp.zeros((n_blocks, 4), dtype=np.uint32)
        counter[:, 0], counter[:, 1] = blocks & LOWER, blocks >> 32
        self.block += n_blocks
        return philox(counter, (self.seed & LOWER, self.seed >> 32)).ravel()

    bit_generator = property(lambda self: self, doc="The generator itself: whatever has a `state`.")

    @property
    def state(self):
        """What it takes to set a generator back, as plain values."""
        return {"bit_generator": "Philox4x32-10", "seed": self.seed, "block": self.block}

    @state.setter
    def state(self, state):
        if not isinstance(state, dict) or state.get("bit_generator") != "Philox4x32-10":
            kind = state.get("bit_generator") if isinstance(state, dict) else state
            raise ValueError(f"state: expected that of a CounterGenerator, got {kind!r}")
        self.seed, self.block = check_word("seed", state["seed"]), check_word("block", state["block"])


def upper_product(upper, lower, span):
    """⌊(2³² upper + lower) span 2⁻⁶⁴⌋ in arithmetic of 64 bits, for a span of at most 64 bits."""
    span_upper, span_lower = span >> 32, span & LOWER
    carried = lower * span_lower >> 32
    middle = upper * span_lower + carried
    other = lower * span_upper + (middle & LOWER)
    return upper * span_upper + (middle >> 32) + (other >> 32)


def check_word(name, value):
    """A whole number of 64 bits."""
    if checks.check_count(name, value, least=0) > LARGEST:
        raise ValueError(f"{name}: expected a whole number below 2^64, got {value}")
    return int(value)


def check_size(size):
    """The shape, and how many numbers that is."""
    shape = () if size is None else tuple(size) if isinstance(size, (tuple, list)) else (size,)
    shape = tuple(checks.check_count("size", length, least=0) for length in shape)
    return shape, math.prod(shape)


def check_range(low, high):
    """low and high as whole numbers, with something between them."""
    low, high = (0, low) if high is None else (low, high)
    for name, value in (("low", low), ("high", high)):
        checks.check_count(name, value, least=-2**63)
    if not low < high < 2**63:
        raise ValueError(f"high: expected a whole number above low = {low} and below 2^63, got {high}")
    return int(low), int(high)
