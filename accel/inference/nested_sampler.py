"""Nested sampling by dynesty: independent draws and the evidence, behind the same call as the samplers of this library.

The mathematics is in `reference.inference.nested_sampler`. Same draws; dynesty runs on the host and asks for one point at a time, which
is brought to where the likelihood lives: on a device that is two transfers a point, and a CPU may be faster.
"""
import numpy as np

from accel import priors
from accel.runtime import checks
from accel.device import like, to_host
from accel.inference.chains import Chains, NonFiniteTargetError, NotFinite, check_start

__all__ = ["sample"]


def sample(rng, target, start, *, n_samples, n_warmup=0, n_live=500, remainder=0.1, progress=False):
    """Integrate the likelihood over the prior, and draw from the posterior; the draws live where the likelihood does."""
    start, total = check_start(start), checks.check_count("n_samples", n_samples) * len(start)
    n_live, remainder = checks.check_count("n_live", n_live, least=2), checks.check_positive("remainder", remainder)
    dynesty, dim, calls = imported(), start.shape[1], []
    there = target.log_likelihood(start[:1])

    def log_likelihood(u):
        calls.append(1)
        value = float(target.log_likelihood(like(there, u[None]))[0])
        if not value < np.inf:
            raise NotFinite("log_likelihood")
        return value
    sampler = dynesty.NestedSampler(log_likelihood, lambda v: from_cube(target.prior, v[None])[0], dim, nlive=n_live,
                                    rstate=np.random.default_rng(int(to_host(rng.integers(0, 2**31 - 1, size=1))[0])))
    try:
        sampler.run_nested(dlogz=remainder, print_progress=progress)
    except NotFinite as error:
        raise NonFiniteTargetError("nested_sampler", len(calls), *error.args, 1, None) from None
    found = sampler.results
    weights = np.exp(found["logwt"] - np.max(found["logwt"]))
    u = like(there, found["samples"][resampled(rng, weights, total)])
    return Chains(u.reshape(len(start), -1, dim), target.log_prob(u).reshape(len(start), -1), log_evidence=float(found["logz"][-1]),
                  log_evidence_error=float(found["logzerr"][-1]), ess=float(np.sum(weights)**2 / np.sum(weights**2)))


def resampled(rng, weights, n):
    """n indices, each as often as its weight says, within one, in random order."""
    places = (np.arange(n) + to_host(rng.random(1))) / n
    rows = np.searchsorted(np.cumsum(weights)[:-1] / np.sum(weights), places, side="right")
    return rows[np.argsort(to_host(rng.random(n)))]


def from_cube(prior, v):
    """(4) on the host: points of the unit cube (N, d′) → u (N, d′), distributed as under the prior if v is uniform."""
    from scipy.special import betaincinv, ndtri
    v = np.clip(v, np.finfo(np.float64).tiny, np.nextafter(1, 0))
    if isinstance(prior, priors.Independent):
        ends = np.cumsum([part.unconstrained_dim for part in prior.parts])
        return np.concatenate([from_cube(part, v[:, end - part.unconstrained_dim:end]) for part, end in zip(prior.parts, ends)], axis=1)
    if isinstance(prior, priors.Dirichlet):
        alpha = prior.concentration
        rest = np.cumsum(alpha[:0:-1])[::-1]
        z, one_minus_z = betaincinv(alpha[:-1], rest, v), betaincinv(rest, alpha[:-1], 1 - v)
        tiny = np.finfo(np.float64).tiny
        return np.log(np.maximum(z, tiny)) - np.log(np.maximum(one_minus_z, tiny)) + np.log(np.arange(len(rest), 0, -1))
    return ndtri(v)


def imported():
    """dynesty, or an ImportError that says how to get it."""
    try:
        import dynesty
    except ImportError:
        raise ImportError("nested_sampler needs dynesty, which is not installed: pip install 'diptych[samplers]'") from None
    return dynesty
