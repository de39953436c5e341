import numpy as np

from tests.agreement.registry import case, error_of, painted

SIZES, SEED = (1, 2, 7, 31, 1500), 2**40 + 7              # 1500 rows of three: more than one block of threads


def generator(on, paint, n, block=2**32 - 2):
    rng = on.package.runtime.philox.PhiloxGenerator(SEED + n, like=on.put(painted(paint, (1,))))
    rng.block = block
    return rng


@case("runtime.philox.philox", sizes=SIZES)
def _(on, paint, n):
    counter = paint.integers(0, 2**32, size=(n, 4)).astype(np.uint32)
    words = on.package.runtime.philox.philox(on.xp.asarray(counter), (SEED & 0xFFFFFFFF, n))
    return words.astype(np.int64)


@case("runtime.philox.PhiloxGenerator.random", sizes=SIZES, terms=1, kernels=True)
def _(on, paint, n):
    rng = generator(on, paint, n)
    return (rng.random((n, 3)), rng.random(), rng.random(n), rng.random((n, 0)), rng.block,
            rng.bit_generator.state)


@case("runtime.philox.PhiloxGenerator.standard_normal", sizes=SIZES, terms=4, kernels=True)
def _(on, paint, n):
    rng = generator(on, paint, n)
    return (rng.standard_normal((n, 3)), rng.standard_normal(size=n + 3), rng.standard_normal((0, 2)),
            rng.block)


@case("runtime.philox.PhiloxGenerator.integers", sizes=SIZES, kernels=True)
def _(on, paint, n):
    rng = generator(on, paint, n)
    drawn = [rng.integers(3, size=n), rng.integers(-5, 6, size=(n, 2)), rng.integers(0, 2**62, size=(n,)),
             rng.integers(-2**63, 2**63 - 1, size=n)]
    bad = [((5, 5), n), ((0,), n), ((0, 2**63), n), ((0.5, 2), n), ((0, 2), -1), ((0, 2), (2, 1.5))]
    return (drawn, rng.integers(7), rng.block,
            [error_of(rng.integers, *limits, size=size) for limits, size in bad])
