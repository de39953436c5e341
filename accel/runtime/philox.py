"""A counter-based generator: each number is a function of the seed and of its place in the stream alone.

The mathematics is in `reference.runtime.philox`. Same numbers, drawn where `like` lives and in its dtype. On
a device one kernel writes them straight into the array. Kernels that draw their own numbers continue from
`block`. Array code rotates the four words of a counter through four buffers, with a fifth for the upper
halves of the products.

    (3)  in float32 a uniform is the nearest number to (3) that is below one
    (4)  log u is taken of the smaller of u and 1 − u, both of which a word holds exactly, and the angle lies
         between −π and π: a normal is then good to rounding in either dtype
    (5)  with span = 2³² s + t and words (w, w′), ⌊(2³² w + w′) span 2⁻⁶⁴⌋ in arithmetic of 64 bits:
             carry c = ⌊w′t 2⁻³²⌋,  m = w t + c,  o = w′s + (m mod 2³²),   result w s + ⌊m 2⁻³²⌋ + ⌊o 2⁻³²⌋

Example
-------
>>> from accel.runtime.philox import PhiloxGenerator
>>> rng = PhiloxGenerator(0)
>>> print(rng.random(3).round(4), rng.block)
[0.399  0.8805 0.7357] 1
"""
import math

import numpy as np

from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.philox import launch as philox_kernel
from accel.runtime import checks
from accel.runtime.protocols import Array

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
    xp = array_module(counter)
    c0, c1, c2, c3 = (counter[:, i].astype(np.uint64) for i in range(4))
    upper, (k0, k1) = xp.empty_like(c0), key
    for _ in range(N_ROUNDS):
        for product, multiplier, other, k in ((c2, M1, c1, k0), (c0, M0, c3, k1)):            # (2)
            product *= multiplier
            xp.right_shift(product, 32, out=upper)
            other ^= upper
            other ^= k
            product &= LOWER
        c0, c1, c2, c3 = c1, c2, c3, c0            # each is written over what it was made of
        k0, k1 = k0 + W0 & LOWER, k1 + W1 & LOWER
    return xp.stack((c0, c1, c2, c3), axis=1).astype(np.uint32)


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
        self.seed, self.block, self.xp = check_word("seed", seed), 0, array_module(like)
        self.dtype = np.dtype(np.float64) if like is None else checks.as_array("like", like).dtype

    def __reduce__(self):
        """A copy or a pickle goes on at the same place, on the same kind of device."""
        return _restored, (self.seed, self.block, self.xp.empty(0, dtype=self.dtype))

    def random(self, size: int | tuple | None = None) -> Array:
        """Uniform numbers (3).

        Parameters
        ----------
        size : int or tuple of int, optional
            The shape; one number without it.
        """
        shape, n = check_size(size)
        if cuda.wanted(self.xp):
            return philox_kernel.fill(self, "uniforms", n).reshape(shape)
        u = self._words(n).astype(self.dtype)
        u *= 2.0**-32
        u += 2.0**-33                                                             # (3)
        self.xp.minimum(u, 1 - float(np.finfo(self.dtype).epsneg), out=u)
        return u[:n].reshape(shape)

    def standard_normal(self, size: int | tuple | None = None) -> Array:
        """Standard normal numbers (4).

        Parameters
        ----------
        size : int or tuple of int, optional
            The shape; one number without it.
        """
        shape, n = check_size(size)
        if cuda.wanted(self.xp):
            return philox_kernel.fill(self, "normals", n).reshape(shape)
        xp, words = self.xp, self._words(n).reshape(-1, 2)
        above = words[:, 0] > LOWER >> 1
        smaller = xp.where(above, ~words[:, 0], words[:, 0]).astype(self.dtype)
        smaller += 0.5
        smaller *= 2.0**-32                                                       # of u and 1 − u
        radius = xp.where(above, xp.log1p(-smaller), xp.log(smaller))
        radius *= -2
        xp.sqrt(radius, out=radius)
        angle = words[:, 1].copy().view(np.int32).astype(self.dtype)
        angle += 0.5
        angle *= math.pi * 2.0**-31
        drawn = xp.empty((len(words), 2), dtype=self.dtype)
        xp.cos(angle, out=drawn[:, 0])
        xp.sin(angle, out=drawn[:, 1])
        drawn *= radius[:, None]                                                  # (4)
        return drawn.ravel()[:n].reshape(shape)

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
        if cuda.wanted(self.xp):
            return philox_kernel.integers(self, n, low, high - low).reshape(shape)
        words = self._words(2 * n).astype(np.uint64).reshape(-1, 2)
        drawn = upper_product(words[:, 0], words[:, 1], high - low)[:n].astype(np.int64)
        drawn += np.int64(low)                                                    # (5)
        return drawn.reshape(shape)

    def _words(self, n):
        """Whole blocks with at least n words, from `block` on; the next call starts behind them."""
        n_blocks = -(-n // 4)
        blocks = self.xp.arange(n_blocks, dtype=np.uint64)
        blocks += np.uint64(self.block)
        counter = self.xp.zeros((n_blocks, 4), dtype=np.uint32)
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


def upper_product(upper, lower, span):
    """⌊(2³² upper + lower) span 2⁻⁶⁴⌋ in arithmetic of 64 bits, for a span of at most 64 bits."""
    span_upper, span_lower = span >> 32, span & LOWER
    carried = lower * span_lower >> 32
    middle = upper * span_lower + carried
    other = lower * span_upper + (middle & LOWER)
    return upper * span_upper + (middle >> 32) + (other >> 32)


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


def _restored(seed, block, like):
    """The generator that `PhiloxGenerator.__reduce__` described."""
    rng = PhiloxGenerator(seed, like=like)
    rng.block = block
    return rng
