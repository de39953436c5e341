"""Nested sampling by dynesty: independent draws and the evidence, behind the same call as the samplers of this library.

    (1)  Z = ∫ L(u) p(u) du = ∫₀¹ L(X) dX                  X(λ): the prior's mass where L > λ
    (2)  live points inside L > λ; the worst is dropped, X shrinks by e^(−1/n_live), and a new point is drawn above it
    (3)  wⱼ ∝ Lⱼ ΔXⱼ                                       the weights of all points ever dropped
    (4)  uᵢ = Φ⁻¹(vᵢ);  simplex: zₖ = B⁻¹(vₖ; αₖ, ∑ⱼ₍ⱼ>ₖ₎ αⱼ),  uₖ = log zₖ − log(1 − zₖ) + log(K − k)
                                                            v in the unit cube → u under the prior (`priors`)

Draws are resampled from (3) with equal weight and shuffled, so that they are independent but for repetitions.

Shapes        d′ parameters; v and u (N, d′).
Conventions   nats. The evidence is that of the log-likelihood as given: a constant left out of the one is missing in the other.
Source        "Nested sampling for general Bayesian computation", Skilling, 2006; "dynesty", Speagle, 2020: the package `dynesty`, extra
              `samplers`.
"""
import numpy as np

from reference import priors
from reference.runtime import checks
from reference.inference.chains import Chains, NonFiniteTargetError, NotFinite, check_start

__all__ = ["sample"]


def sample(rng, target, start, *, n_samples, n_warmup=0, n_live=500, remainder=0.1, progress=False):
    """Integrate the likelihood over the prior, and draw from the posterior.

    Parameters
    ----------
    rng : Generator
        Draws the seed of dynesty's own generator, and the resampling.
    target : mcmc.Target
        Its `prior` and `log_likelihood` are used.
    start : (C, d′) float
        Only its shape counts: nested sampling starts from the whole prior.
    n_samples : int
        Draws for each of C.
    n_warmup : int
        Not used: there is nothing to forget.
    n_live : int
        Live points; the error of the log-evidence falls with its square root.
    remainder : float
        The run ends when the live points could add so much to the log-evidence, nats.
    progress : bool
        Show dynesty's progress.

    Returns
    -------
    Chains
        With log_evidence, its error, and ess, (∑ w)²/∑ w².

    Raises
    ------
    ImportError
        If dynesty is not installed.
    NonFiniteTargetError
        If the log-likelihood is NaN or +inf somewhere; there are no chains to keep, nor after an interruption: a run that has not
        reached the peak knows nothing of it.
    """
    start, total = check_start(start), checks.check_count("n_samples", n_samples) * len(start)
    n_live, remainder = checks.check_count("n_live", n_live, least=2), checks.check_positive("remainder", remainder)
    dynesty, dim, calls = imported(), start.shape[1], []

    def log_likelihood(u):
        calls.append(1)
        value = float(target.log_likelihood(u[None])[0])
        if not value < np.inf:
            raise NotFinite("log_likelihood")
        return value
    sampler = dynesty.NestedSampler(log_likelihood, lambda v: from_cube(target.prior, v[None])[0], dim, nlive=n_live,
                                    rstate=np.random.default_rng(int(rng.integers(0, 2**31 - 1, size=1)[0])))
    try:
        sampler.run_nested(dlogz=remainder, print_progress=progress)
    except NotFinite as error:
        raise NonFiniteTargetError("nested_sampler", len(calls), *error.args, 1, None) from None
    found = sampler.results
    weights = np.exp(found["logwt"] - np.max(found["logwt"]))                                        # (3)
    u = found["samples"][resampled(rng, weights, total)]
    return Chains(u.reshape(len(start), -1, dim), target.log_prob(u).reshape(len(start), -1), log_evidence=float(found["logz"][-1]),
                  log_evidence_error=float(found["logzerr"][-1]), ess=float(np.sum(weights)**2 / np.sum(weights**2)))


def resampled(rng, weights, n):
    """n indices, each as often as its weight says, within one, in random order."""
    places = (np.arange(n) + rng.random(1)) / n
    rows = np.searchsorted(np.cumsum(weights)[:-1] / np.sum(weights), places, side="right")
    return rows[np.argsort(rng.random(n))]


def from_cube(prior, v):
    """(4): points of the unit cube (N, d′) → u (N, d′), distributed as under the prior if v is uniform."""
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
