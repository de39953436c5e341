"""Nested sampling by dynesty: independent draws of a posterior, and its evidence.

The mathematics is in `reference.inference.nested_sampler`. Same draws; a thin wrapper around the same
package, which runs on the host and asks for one point at a time. On a device that is two transfers a point,
and a CPU may be faster.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import nested_sampler, target
    >>> gaussian = target.Target(priors.Normal(0.0, 1.0), lambda u: -0.5 * (u[:, 0] - 1.0)**2)
    >>> found = nested_sampler.sample(np.random.default_rng(0), gaussian, 1000, n_live=50)
    >>> bool(abs(found.log_evidence - (np.log(0.5) / 2 - 0.25)) < 4 * found.log_evidence_error)
    True
"""
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.device import like, to_host
from accel.inference.chains import NonFiniteTargetError, NotFinite
from accel.inference.target import Target

__all__ = ["NestedDraws", "sample"]


class NestedDraws(NamedTuple):
    """Posterior draws and the evidence.

    Attributes
    ----------
    theta : (n, P) float
        Strictly inside the prior.
    log_prob : (n,) float
        log p(x|θ) + log p(θ), nats.
    ess : float
        Effective sample size of the weighted points, (∑ w)²/∑ w².
    log_evidence, log_evidence_error : float
        log Z and its standard error, nats.
    """
    theta: Array
    log_prob: Array
    ess: float
    log_evidence: float
    log_evidence_error: float


def sample(rng: Rng, target: Target, n: int, *, n_live: int = 500, remainder: float = 0.1,
           progress: bool = False) -> NestedDraws:
    """Integrate the likelihood over the prior, and draw from the posterior.

    Parameters
    ----------
    rng : Generator
        Draws the seed of dynesty's own generator, and the resampling.
    target : Target
        Its prior and log_likelihood are used.
    n : int
        Draws.
    n_live : int
        Live points; the error of the log-evidence falls with the square root of their number.
    remainder : float
        The run ends when the live points could add at most this much to the log-evidence, nats.
    progress : bool
        Show dynesty's progress.

    Returns
    -------
    NestedDraws

    Raises
    ------
    ImportError
        If dynesty is not installed.
    ValueError
        If a setting is out of range.
    NonFiniteTargetError
        If the log-likelihood is NaN or +inf at some point. No draws are kept, nor after an interruption:
        before the run has reached the peak, its points say nothing of the posterior.
    """
    n, n_live = checks.check_count("n", n), checks.check_count("n_live", n_live, least=2)
    remainder = checks.check_positive("remainder", remainder)
    dynesty, dim, calls = import_dynesty(), target.prior.unconstrained_dim, []
    generator = np.random.default_rng(int(to_host(rng.integers(0, 2**31 - 1, size=1))[0]))
    offset = rng.random(1)
    there = target.log_likelihood(like(offset, np.zeros((1, dim))))       # where the likelihood's values live

    def log_likelihood(u):
        calls.append(1)
        value = float(target.log_likelihood(like(there, u[None]))[0])
        if not value < np.inf:
            raise NotFinite("log_likelihood")
        return value

    def prior_transform(v):
        return target.prior.to_unconstrained(target.prior.from_uniform(v[None]))[0][0]                 # (4)
    sampler = dynesty.NestedSampler(log_likelihood, prior_transform, dim, nlive=n_live, rstate=generator)
    try:
        sampler.run_nested(dlogz=remainder, print_progress=progress)                               # (1), (2)
    except NotFinite as error:
        raise NonFiniteTargetError("nested_sampler", len(calls), *error.args, 1, None) from None
    found = sampler.results
    weights = np.exp(found["logwt"] - np.max(found["logwt"]))                                          # (3)
    u = like(there, found["samples"][systematic(rng, offset, weights, n)])
    theta, log_det = target.prior.to_constrained(u)
    return NestedDraws(theta, target.log_prob(u) - log_det, float(np.sum(weights)**2 / np.sum(weights**2)),
                       float(found["logz"][-1]), float(found["logzerr"][-1]))


def systematic(rng: Rng, offset: Array, weights: Array, n: int) -> Array:
    """Systematic resampling: n indices in random order, one of normalised weight w ⌊n w⌋ or ⌈n w⌉ times."""
    places = (np.arange(n) + to_host(offset)) / n
    rows = np.searchsorted(np.cumsum(weights)[:-1] / np.sum(weights), places, side="right")
    return rows[np.argsort(to_host(rng.random(n)))]


def import_dynesty():
    """dynesty, or an ImportError that says how to get it."""
    try:
        import dynesty
    except ImportError:
        raise ImportError("nested_sampler needs dynesty, which is not installed: "
                          "pip install 'diptych[samplers]'") from None
    return dynesty
