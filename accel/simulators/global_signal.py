"""The 21-cm global signal: an absorption trough in temperature against redshift, with normal noise.

The mathematics is in `reference.simulators.global_signal`. Same values; each row's trough is computed once
and turned into the residual in place, over blocks of rows that stay in cache. With t = (z − z_c)/σ and q = dm
g, (4) gives

    dA = −∑ q,   dz_c = −(A/σ) ∑ q t,   dσ = −(A/σ) ∑ q t²

with the products made one after the other in one array. The grid of the exact posterior is on the host in
float64; samples and densities are computed where the observation and θ live.

Example
-------
>>> import numpy as np
>>> from accel.simulators import global_signal
>>> signal = global_signal.signal(np.array([[0.2, 15.0, 7.0]]))[0]
>>> print(signal.min().round(3), global_signal.REDSHIFT[signal.argmin()].round(1))
-0.2 15.1
"""
import math

import numpy as np

from accel.device import array_module, like, special, to_host
from accel.numerics.grid import fit_grid
from accel.priors import BoxUniform
from accel.priors.box_uniform import strictly_inside
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["prior", "signal", "signal_vjp", "simulate", "log_likelihood", "exact_posterior_sample",
           "exact_posterior_log_prob"]

REDSHIFT = np.linspace(5.0, 30.0, 100)
REDSHIFT.setflags(write=False)
N_NODES, FARTHEST, BLOCK = 101, 30.0, 1024
prior = BoxUniform([0.01, 10.0, 5.0], [0.3, 20.0, 10.0])              # (1)


def signal(theta: Array) -> Array:
    """T (N, 100) in kelvin, without noise.

    Parameters
    ----------
    theta : (N, 3) float
        A in kelvin, z_c, σ.
    """
    theta = checks.as_array("theta", theta, ("N", 3))
    mean = array_module(theta).empty((len(theta), len(REDSHIFT)), dtype=theta.dtype)
    for rows in blocks(theta):
        trough(theta[rows, 1:], out=mean[rows])
        mean[rows] *= -theta[rows, :1]                                # (2)
    return mean


def signal_vjp(theta: Array, dm: Array) -> Array:
    """dtheta (N, 3): the gradient with respect to the signal, carried back to θ.

    Parameters
    ----------
    theta : (N, 3) float
    dm : (N, 100) float
        The gradient with respect to the signal.
    """
    theta = checks.as_array("theta", theta, ("N", 3))
    dm = checks.as_array("dm", dm, (len(theta), len(REDSHIFT)))
    xp = array_module(theta)
    dtheta = xp.empty_like(theta)
    for rows in blocks(theta):
        t = like(theta, REDSHIFT) - theta[rows, 1:2]
        t /= theta[rows, 2:]
        q = t * t
        q *= -0.5
        xp.exp(q, out=q)
        q *= dm[rows]
        dtheta[rows, 0] = q.sum(axis=1)
        for k in (1, 2):
            q *= t
            dtheta[rows, k] = q.sum(axis=1)
    xp.negative(dtheta, out=dtheta)
    dtheta[:, 1:] *= theta[:, :1] / theta[:, 2:]                      # (4)
    return dtheta


def simulate(rng: Rng, theta: Array, *, noise: float = 0.025) -> Array:
    """x (N, 100) in kelvin.

    Parameters
    ----------
    rng : Generator
    theta : (N, 3) float
        A in kelvin, z_c, σ.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If theta has another shape, or noise is not positive.
    """
    theta = checks.as_array("theta", theta, ("N", 3))
    x = like(theta, rng.standard_normal((len(theta), len(REDSHIFT))))
    noise = checks.check_positive("noise", noise)
    for rows in blocks(theta):
        x[rows] *= noise
        x[rows] += signal(theta[rows])                                # (3)
    return x


def log_likelihood(theta: Array, x: Array, *, noise: float = 0.025) -> Array:
    """log p(x|θ) in nats, (N,).

    Parameters
    ----------
    theta : (N, 3) float
    x : (100,) or (N, 100) float
        One observation, or one for each θ, in kelvin.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If theta or x has another shape, or noise is not positive.
    """
    theta, noise = checks.as_array("theta", theta, ("N", 3)), checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (len(REDSHIFT),) if np.ndim(x) == 1 else (len(theta), len(REDSHIFT)))
    log_prob = array_module(theta).empty(len(theta), dtype=theta.dtype)
    for rows in blocks(theta):
        residual = signal(theta[rows])
        residual -= x if x.ndim == 1 else x[rows]
        log_prob[rows] = squared_norms(residual)
    log_prob *= -0.5 / noise**2
    log_prob -= 0.5 * len(REDSHIFT) * math.log(2 * math.pi * noise**2)            # (3)
    return log_prob


def exact_posterior_sample(rng: Rng, n: int, x: Array, *, noise: float = 0.025) -> Array:
    """n draws of θ | x, (n, 3).

    Parameters
    ----------
    rng : Generator
    n : int
    x : (100,) float
        One observation, in kelvin.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If n is not a whole number above zero, noise is not positive, x is not a finite (100,) array, or its
        amplitude lies more than FARTHEST standard deviations outside the prior.
    """
    x, grid = checks.as_array("x", x, (len(REDSHIFT),)), posterior_grid(x, noise)
    xp = array_module(x)
    theta = xp.empty((checks.check_count("n", n), 3), dtype=x.dtype)
    theta[:, 1:] = like(x, grid.sample(rng, n))                       # (7)
    best, s, low, high, _ = amplitude(theta[:, 1:], x, noise)
    beyond = float(xp.maximum(low.max(), -high.min()))
    if beyond > FARTHEST:
        raise ValueError("x: expected a signal in kelvin that the prior can explain, got one whose amplitude "
                         f"lies {beyond:.0f} standard deviations outside its range")
    depth = truncated_normal(like(x, rng.random(n)), low, high)
    depth *= s
    depth += best                                                     # (5)
    theta[:, 0] = strictly_inside(depth, prior.low[0], prior.high[0], out=depth)
    return theta


def exact_posterior_log_prob(theta: Array, x: Array, *, noise: float = 0.025) -> Array:
    """log p(θ|x) in nats, (N,); −inf outside the prior.

    Parameters
    ----------
    theta : (N, 3) float
    x : (100,) float
        One observation, in kelvin.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If theta has another shape, x is not a finite (100,) array, or noise is not positive.
    """
    theta, log_evidence = checks.as_array("theta", theta, ("N", 3)), posterior_grid(x, noise).log_integral
    xp, inside = array_module(theta), prior.contains(theta)
    inner = xp.where(inside[:, None], theta, like(theta, (prior.low + prior.high) / 2))
    log_prob = log_likelihood(inner, x, noise=noise)
    log_prob -= log_evidence
    return xp.where(inside, log_prob, like(log_prob, -np.inf))


def posterior_grid(x, noise):
    """(7) for one observation, on the host; its integral is that of p(x|θ) over all of θ."""
    x = checks.as_array("x", x, (len(REDSHIFT),))
    checks.check_finite("x", x)
    x, noise = to_host(x).astype(np.float64), checks.check_positive("noise", noise)
    constant = -0.5 * len(REDSHIFT) * math.log(2 * math.pi * noise**2) + 0.5 * math.log(2 * math.pi)

    def log_marginal(shape):
        log_prob = np.empty(len(shape))
        for rows in blocks(shape):
            best, s, low, high, residual = amplitude(shape[rows], x, noise)
            residual *= best[:, None]
            residual += x
            log_prob[rows] = squared_norms(residual) * (-0.5 / noise**2) + np.log(s)
            log_prob[rows] += log_normal_mass(low, high)              # (6)
        log_prob += constant
        return log_prob
    return fit_grid(log_marginal, prior.low[1:], prior.high[1:], n_nodes=N_NODES)


def blocks(rows):
    """Slices that cover the rows: small ones on the CPU, all at once on a device."""
    size = BLOCK if array_module(rows) is np else max(1, len(rows))
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def trough(shape, out=None):
    """g (N, 100) for (z_c, σ) (N, 2)."""
    xp = array_module(shape)
    g = xp.subtract(like(shape, REDSHIFT), shape[:, :1], out=out)
    g /= shape[:, 1:]
    xp.multiply(g, g, out=g)
    g *= -0.5
    return xp.exp(g, out=g)


def squared_norms(a):
    """‖a‖² of each row."""
    return array_module(a).einsum("ij,ij->i", a, a)


def amplitude(shape, x, noise):
    """Â and s of (5), and the prior's range of A, less Â, in units of s, (N,) each; and g (N, 100)."""
    g = trough(shape)
    norm = squared_norms(g)
    best = g @ x
    best /= norm
    best *= -1
    s = array_module(norm).sqrt(norm)
    s = noise / s
    return best, s, (float(prior.low[0]) - best) / s, (float(prior.high[0]) - best) / s, g


def in_lower_tail(low, high):
    """The interval, mirrored to the lower tail if it lies above zero, and whether it was mirrored."""
    xp, above = array_module(low), low > 0
    return xp.where(above, -high, low), xp.where(above, -low, high), above


def log_normal_mass(low, high):
    """log [Φ(high) − Φ(low)], in the lower tail, where nothing cancels."""
    xp, log_ndtr = array_module(low), special(low).log_ndtr
    low, high, _ = in_lower_tail(low, high)
    log_high = log_ndtr(high)
    log_ratio = log_ndtr(low)
    log_ratio -= log_high
    xp.exp(log_ratio, out=log_ratio)
    xp.negative(log_ratio, out=log_ratio)
    log_high += xp.log1p(log_ratio, out=log_ratio)
    return log_high


def truncated_normal(uniform, low, high):
    """Standard normals between low and high, by inversion in the lower tail."""
    xp, functions = array_module(uniform), special(uniform)
    low, high, mirrored = in_lower_tail(low, high)
    start = functions.ndtr(low)
    p = functions.ndtr(high)
    p -= start
    p *= uniform
    p += start
    functions.ndtri(p, out=p)
    xp.clip(p, low, high, out=p)
    p *= xp.where(mirrored, like(p, -1.0), like(p, 1.0))
    return p
