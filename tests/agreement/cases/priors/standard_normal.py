import numpy as np

import accel
import reference
from tests.agreement.registry import case, error_of, painted


@case("priors.standard_normal.log_standard_normal", terms=30)
def _(on, paint, n):
    return on.package.priors.standard_normal.log_standard_normal(on.put(painted(paint, (n, 3))))


class Shift:
    """The two maps of a normal of mean 1 and standard deviation 2; the rest is that of `Standardised`."""
    dim = unconstrained_dim = 3

    def contains(self, theta):
        return abs(theta).sum(axis=1) < np.inf

    def to_unconstrained(self, theta):
        return (theta - 1) / 2, None

    def to_constrained(self, u):
        return 2 * u + 1, None


class ReferenceShifted(Shift, reference.priors.standard_normal.Standardised):
    """At the top of a module, so that it can be pickled."""


class AccelShifted(Shift, accel.priors.standard_normal.Standardised):
    """At the top of a module, so that it can be pickled."""


def shifted(on):
    return {reference: ReferenceShifted, accel: AccelShifted}[on.package]()


@case("priors.standard_normal.Standardised.unconstrained_log_prob", terms=30)
def _(on, paint, n):
    return shifted(on).unconstrained_log_prob(on.put(painted(paint, (n, 3))))


@case("priors.standard_normal.Standardised.unconstrained_log_prob_and_grad", terms=30)
def _(on, paint, n):
    prior = shifted(on)
    bad = error_of(prior.unconstrained_log_prob_and_grad, on.put(np.zeros((2, 2))))
    return prior.unconstrained_log_prob_and_grad(on.put(painted(paint, (n, 3)))), bad


@case("priors.standard_normal.Standardised.from_uniform", terms=30)
def _(on, paint, n):
    return shifted(on).from_uniform(on.put(paint.uniform(0.01, 0.99, (n, 3))))


@case("priors.standard_normal.Standardised.to_uniform", terms=30)
def _(on, paint, n):
    theta = painted(paint, (n, 3))
    theta[1::4, 1] = np.nan
    return shifted(on).to_uniform(on.put(theta))
