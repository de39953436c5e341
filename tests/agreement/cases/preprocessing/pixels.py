"""Cases for the map from grey levels to the real line."""
import numpy as np

from tests.agreement.registry import case, error_of, painted

DIM, LEVELS, ALPHA = 3, 5, 0.02


def levels_and_noise(on, paint, n):
    return (on.put(paint.integers(0, LEVELS, (n, DIM)).astype(float)),
            on.put(paint.uniform(0.1, 0.9, (n, DIM))))


@case("preprocessing.pixels.dequantise")
def _(on, paint, n):
    dequantise, (x, noise) = on.package.preprocessing.pixels.dequantise, levels_and_noise(on, paint, n)
    bad = error_of(dequantise, x, noise[:, :2], levels=LEVELS), error_of(dequantise, x, noise, levels=1)
    return dequantise(x, noise, levels=LEVELS), bad


@case("preprocessing.pixels.quantise")
def _(on, paint, n):
    pixels, (x, noise) = on.package.preprocessing.pixels, levels_and_noise(on, paint, n)
    inside, beyond = (x + noise) / LEVELS, on.put(np.array([[-0.2, 1.0, 1.3]]))
    return (pixels.quantise(inside, levels=LEVELS), pixels.quantise(beyond, levels=LEVELS),
            error_of(pixels.quantise, inside, levels=0))


@case("preprocessing.pixels.to_real", terms=lambda n: 20)
def _(on, paint, n):
    to_real, u = on.package.preprocessing.pixels.to_real, on.put(paint.random((n, DIM)))
    return to_real(u, alpha=ALPHA), error_of(to_real, u, alpha=0.5), error_of(to_real, u[0], alpha=ALPHA)


@case("preprocessing.pixels.from_real", terms=lambda n: 20)
def _(on, paint, n):
    from_real, y = on.package.preprocessing.pixels.from_real, on.put(painted(paint, (n, DIM), -6.0, 7.0))
    return from_real(y, alpha=ALPHA), error_of(from_real, y, alpha=-0.1)


@case("preprocessing.pixels.bits_per_dim")
def _(on, paint, n):
    bits_per_dim = on.package.preprocessing.pixels.bits_per_dim
    return (bits_per_dim(on.put(painted(paint, (n,))), dim=DIM), bits_per_dim(-12.5, dim=2),
            error_of(bits_per_dim, 1.0, dim=0))


@case("preprocessing.pixels.checkerboard", sizes=(1, 2, 7))
def _(on, paint, n):
    checkerboard = on.package.preprocessing.pixels.checkerboard
    return [list(map(int, checkerboard(n, width))) for width in (1, 3, 4)], error_of(checkerboard, n, 1.5)
