"""Eight Gaussians on a ring: the usual test of whether a generative model finds every mode."""
import numpy as np

RADIUS, SIGMA, MODES = 2.0, 0.02, 8
ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = RADIUS * np.column_stack((np.cos(ANGLES), np.sin(ANGLES)))


def ring(rng, n):
    """n points, (n, 2)."""
    return CENTRES[rng.integers(0, MODES, size=n)] + SIGMA * rng.standard_normal((n, 2))


def covered(x):
    """The fraction of x (n, 2) within 3σ of a mode, and the number of modes that have at least a hundredth of
    x there."""
    distance = np.linalg.norm(x[:, None] - CENTRES, axis=2)
    good = distance.min(axis=1) < 3 * SIGMA
    counts = np.bincount(distance.argmin(axis=1)[good], minlength=MODES)
    return good.mean(), int(np.sum(counts >= 0.01 * len(x)))
