"""Priors: what is known of θ before the data, and the map through which θ becomes unconstrained.

Reading order:

    normal           independent normals; start here
    log_normal       normal in log θ
    box_uniform      uniform in a box
    dirichlet        positive numbers that sum to one
    independent      several priors side by side
    standard_normal  what priors with a standard normal u share
    constants        the vectors that define a prior
    support          rows inside and outside a prior's support
    registry         priors as plain values, for files

Every prior has the same interface:

    dim, unconstrained_dim                   the sizes of θ and of u
    sample(rng, n)                           θ (n, dim)
    contains(theta)                          (N,) bool
    log_prob(theta)                          (N,)
    to_unconstrained(theta)                  u (N, unconstrained_dim) and log|det ∂u/∂θ| (N,)
    to_constrained(u)                        θ and log|det ∂θ/∂u|
    from_uniform(v), to_uniform(theta)       θ from a point v (N, unconstrained_dim) of the unit cube; back
    unconstrained_log_prob(u)                (N,), the density of u under the prior
    unconstrained_log_prob_and_grad(u)       the same with its gradient (N, unconstrained_dim)
    to_constrained_vjp(u, dtheta)            du, a gradient with respect to θ carried back to u

Conventions   nats. Supports are open: a bound is outside, since its u is infinite. A θ that a prior returns
              is strictly inside, whatever u or v; a θ outside, NaN included, has density −inf, a u that is
              not finite and a v that is NaN. A prior cannot be changed, and copies and pickles keep that.
"""
from reference.priors import (
    box_uniform, constants, dirichlet, independent, log_normal, normal, registry, standard_normal, support,
)
from reference.priors.box_uniform import BoxUniform
from reference.priors.dirichlet import Dirichlet
from reference.priors.independent import Independent
from reference.priors.log_normal import LogNormal
from reference.priors.normal import Normal
from reference.priors.registry import describe, restore
from reference.priors.support import check_inside, unconstrained_inside

__all__ = [
    "BoxUniform", "Normal", "LogNormal", "Dirichlet", "Independent", "describe", "restore", "check_inside",
    "unconstrained_inside", "box_uniform", "constants", "dirichlet", "independent", "log_normal", "normal",
    "registry", "standard_normal", "support",
]
