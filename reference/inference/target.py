"""The density that samplers draw from: a posterior in the prior's unconstrained space.

    (1)  u = T(θ)                                          T: the prior's map; no draw can leave the prior
    (2)  log p(u|x) = log p(x|θ(u)) + log p(u) + const,    p(u) = p(θ) |det ∂θ/∂u|: the prior's density of u
    (3)  ∇ log p(u|x) = ∇ log p(x|θ(u)) + ∇ log p(u)        with respect to u

Shapes        N points, d′ unconstrained parameters; u (N, d′).
Conventions   nats. A point with a component beyond ±FARTHEST counts as outside the support, with a
              log-density of −inf: there θ equals its bound to the last digit.

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference.target import Target
    >>> target = Target(priors.Normal(1.0, 2.0), lambda u: -0.5 * u[:, 0]**2)
    >>> target.log_prob(np.array([[0.0], [1.0]])).round(3).tolist()
    [-0.919, -1.919]
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Prior

__all__ = ["Target"]

FARTHEST = 1000.0


@dataclass(frozen=True, eq=False)
class Target:
    """The density (2), up to a constant.

    Attributes
    ----------
    prior : Prior
        From `priors`.
    log_likelihood : callable
        u (N, d′) → log p(x|θ(u)) (N,), nats, up to a constant.
    log_likelihood_and_grad : callable, optional
        u (N, d′) → the same, and its gradient with respect to u (N, d′). `hmc` needs it.
    """
    prior: Prior
    log_likelihood: Callable[[Array], Array]
    log_likelihood_and_grad: Callable[[Array], tuple[Array, Array]] | None = None

    def log_prob(self, u: Array) -> Array:
        """log p(u|x) up to a constant, (N,).

        Parameters
        ----------
        u : (N, d′) float

        Raises
        ------
        ValueError
            If log_likelihood returns another shape.
        """
        log_likelihood = checks.as_array("log_likelihood(u)", self.log_likelihood(u), (len(u),))
        log_prob = log_likelihood + self.prior.unconstrained_log_prob(u)                        # (2)
        return np.where(within_reach(u), log_prob, -np.inf)

    def log_prob_and_grad(self, u: Array) -> tuple[Array, Array]:
        """log p(u|x) up to a constant, (N,), and its gradient, (N, d′).

        Parameters
        ----------
        u : (N, d′) float

        Raises
        ------
        ValueError
            If there is no log_likelihood_and_grad, or it returns other shapes.
        """
        if self.log_likelihood_and_grad is None:
            raise ValueError("target: expected a log_likelihood_and_grad, which a sampler with gradients "
                             "needs, got None")
        log_likelihood, slope = self.log_likelihood_and_grad(u)
        log_likelihood = checks.as_array("log_likelihood(u)", log_likelihood, (len(u),))
        slope = checks.as_array("gradient of log_likelihood(u)", slope, u.shape)
        log_prior, prior_slope = self.prior.unconstrained_log_prob_and_grad(u)
        inside = within_reach(u)
        log_prob, grad = log_likelihood + log_prior, slope + prior_slope                      # (2), (3)
        return np.where(inside, log_prob, -np.inf), np.where(inside[:, None], grad, 0.0)


def within_reach(u: Array) -> Array:
    """Whether no component of a row of u lies beyond ±FARTHEST, (N,) bool."""
    return np.all(np.abs(u) <= FARTHEST, axis=1)
