"""A posterior that is known for every observation, and catalogues of observations."""
import contextlib

import numpy as np

from tests.agreement.registry import random_tree

__all__ = ["SLOPE", "FACTOR", "exact", "sky", "same", "failing"]

SLOPE = np.array([[0.5, -1.0], [0.0, 0.3], [2.0, 0.0]])
FACTOR = np.array([[0.6, 0.0], [-0.4, 0.2]])


def exact(package, *, shift=0.0, flow=None, dtype=np.float64, domain=True):
    """A posterior that is normal for every x (3,): mean x @ SLOPE + shift, covariance FACTOR @ FACTOR.T.

    A seed in flow bends it.
    """
    npe, preprocessing = package.inference.npe, package.preprocessing
    params = npe.init_params(np.random.default_rng(0), dim=2, context_dim=3, n_transforms=2, hidden=(6, 5))
    params = params if flow is None else random_tree(np.random.default_rng(flow), params, 0.5)
    params = package.runtime.tree.tree_map(lambda a: a.astype(dtype), params)
    coefficients = np.vstack((np.full(2, shift), SLOPE)).astype(dtype)
    whitening = preprocessing.regression.Regression(coefficients, FACTOR.astype(dtype))
    scaling = preprocessing.scaling.Scaling(np.zeros(3, dtype), np.ones(3, dtype))
    seen = np.random.default_rng(1).standard_normal((5000, 3)).astype(dtype)
    seen = preprocessing.training_domain.fit_training_domain(seen) if domain else None
    prior = package.priors.Normal([0.0, 0.0], [1.0, 1.0])
    return npe.Posterior(prior, package.density.maf, params, whitening, None, scaling, 0.0, {}, seen)


def sky(n, seed=2):
    return np.random.default_rng(seed).standard_normal((n, 3))


def same(one, other):
    for name, a, b in zip(one._fields, one, other):
        assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True), name


@contextlib.contextmanager
def failing(package, monkeypatch, error, at):
    """In the block, the call number `at` to sample a posterior raises the error."""
    calls, draw = [], package.inference.npe_posterior.draw

    def fails(*arguments):
        calls.append(1)
        if len(calls) == at:
            raise error
        return draw(*arguments)
    with monkeypatch.context() as patch:
        patch.setattr(package.inference.npe_posterior, "draw", fails)
        yield calls
