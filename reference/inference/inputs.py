"""Inputs of an inference: simulations and observations, checked, and the data as a network sees them.

    (1)  y = x, or n_components PCA scores of x
    (2)  c = (y − m)/s                                        standardised by the simulations

Shapes        N simulations or pairs, P parameters, D data, C context, M observations; θ (N, P), x (N, D), c
              (N, C).

Example
-------
>>> import numpy as np
>>> from reference.inference import inputs
>>> x = np.random.default_rng(0).standard_normal((50, 4)) * 3 + 1
>>> compression, scaling, c = inputs.compress(x, 2)
>>> print(c.shape, c.std(axis=0).round(6))
(50, 2) [1. 1.]
"""
from reference import priors
from reference.preprocessing.scaling import fit_scaling
from reference.representation import pca
from reference.runtime import checks

__all__ = []
SHARED = ["FEWEST", "check_simulations", "check_observation", "check_each", "check_pairs", "compress", "seen",
          "data_mean"]
__all__ += SHARED

FEWEST = 20


def check_simulations(prior, theta, x):
    """theta and x as finite arrays with as many rows, all of theta inside the prior, or a ValueError."""
    theta = checks.as_array("theta", theta, ("N", prior.dim))
    x = checks.as_array("x", x, (len(theta), "D"))
    checks.check_count("theta: number of simulations", len(theta), least=FEWEST)
    checks.check_finite("theta", theta)
    checks.check_finite("x", x)
    priors.check_inside("theta", prior, theta)
    return theta, x


def check_observation(x, like):
    """One or more observations as (M, D), D the length of `like`, and whether it was one; or a ValueError."""
    x = checks.as_array("x", x)
    single = x.ndim == 1
    x = x[None] if single else x
    checks.check_shape("x", x, ("M", len(like)))
    checks.check_finite("x", x)
    return x, single


def check_each(prior, theta, x, single, *, hint=""):
    """theta as (N, P) with one observation for all or one for each, or a ValueError."""
    theta = checks.as_array("theta", theta, ("N", prior.dim))
    if not single and len(x) != len(theta):
        raise ValueError(f"x: expected one observation or {len(theta)}, one for each theta{hint}, "
                         f"got {len(x)}")
    return theta


def check_pairs(params, u, c, *, matched=False):
    """u (N, P) and c, with a row for each of u or, unless pairs are matched, one for all; or a ValueError."""
    layers = params["layers"]
    context_dim = layers[-1].shape[1] - 1
    u = checks.as_array("u", u, ("N", (len(layers[0]) - 1 - context_dim) // 2))
    if matched:
        checks.check_count("u: number of rows", len(u), least=2)
    c = checks.as_array("c", c, ("N", context_dim))
    if len(c) != len(u) and (matched or len(c) != 1):
        raise ValueError(f"c: expected {len(u)} rows{'' if matched else ' or one'}, got {len(c)}")
    return u, c


def compress(x, n_components):
    """The PCA of x, None where n_components is, the scaling of its scores or of x, and c, (N, C)."""
    compression = None if n_components is None else pca.fit(x, n_components=n_components)
    y = x if compression is None else compression.transform(x)                    # (1)
    scaling = fit_scaling(y)
    return compression, scaling, scaling.apply(y)                                 # (2)


def seen(posterior, x):
    """c for data x (M, D), by the compression and scaling of a posterior, (M, C)."""
    return posterior.scaling.apply(x if posterior.compression is None else posterior.compression.transform(x))


def data_mean(posterior):
    """The mean of the simulated data, (D,): its length and dtype are those of an observation."""
    return posterior.scaling.mean if posterior.compression is None else posterior.compression.mean
