"""Priors: what is known of θ before the data, and the map through which θ becomes unconstrained.

Every prior has the same face: `dim` and `unconstrained_dim`; `sample(rng, n)` → θ (n, dim); `contains(theta)` → (N,) bool;
`log_prob(theta)` → (N,); `to_unconstrained(theta)` → u (N, unconstrained_dim) and log|det ∂u/∂θ| (N,); `to_constrained(u)` →
θ and log|det ∂θ/∂u|. For samplers that walk in u: `unconstrained_log_prob(u)` → (N,), the density of u under the prior, and
`unconstrained_log_prob_and_grad(u)`; `to_constrained_vjp(u, dtheta)` → du (N, unconstrained_dim), which carries a gradient with
respect to θ back to u.

Conventions   nats. Supports are open: a bound is outside, since its u is infinite. A θ that a prior returns is strictly inside,
              whatever u; a θ outside, NaN included, has density −inf and a u that is not finite.
"""
from reference.priors import box_uniform, constants, dirichlet, independent, normal
from reference.priors.box_uniform import BoxUniform
from reference.priors.dirichlet import Dirichlet
from reference.priors.independent import Independent, check_inside, describe, restore, unconstrained_inside
from reference.priors.normal import LogNormal, Normal

__all__ = ["BoxUniform", "Normal", "LogNormal", "Dirichlet", "Independent", "describe", "restore", "check_inside",
           "unconstrained_inside", "box_uniform", "constants", "dirichlet", "independent", "normal"]
