"""The cases of one prior: what `priors/__init__.py` promises of all."""
import numpy as np

from tests.agreement.registry import case, painted

__all__ = ["beyond", "register"]

FAR = np.array([-40.0, -9.0, -1e-3, 0.0, 2e-8, 7.0, 40.0])
ENDS = np.array([0.0, 1e-30, 1e-3, 0.5, 0.999, 1.0])


def beyond(theta):
    """Some rows moved outside, to a bound or to NaN, where there are enough."""
    theta[1::5, -1] = -1.0
    theta[2::5, 0] = np.nan
    theta[3::7, 1] = np.inf
    theta[4::7, -1] = 0.0
    return theta


def register(name, make, inside):
    """Cases for the class `name` ("normal.Normal").

    make(on) is a prior of the class; inside(paint, n) gives n rows inside its support without the library.
    """
    name = f"priors.{name}"

    @case(f"{name}.sample", terms=100)
    def _(on, paint, n):
        return make(on).sample(on.rng(n), n)

    @case(f"{name}.contains")
    def _(on, paint, n):
        return make(on).contains(on.put(beyond(inside(paint, n))))

    @case(f"{name}.log_prob", terms=30)
    def _(on, paint, n):
        return make(on).log_prob(on.put(beyond(inside(paint, n))))

    @case(f"{name}.to_unconstrained", terms=30)
    def _(on, paint, n):
        return make(on).to_unconstrained(on.put(inside(paint, n)))

    @case(f"{name}.to_unconstrained#outside", terms=30)
    def _(on, paint, n):
        u, log_det = make(on).to_unconstrained(on.put(beyond(inside(paint, n))))
        return on.xp.isfinite(u).all(axis=1), on.xp.isfinite(log_det)

    @case(f"{name}.to_constrained", terms=30)
    def _(on, paint, n):
        prior = make(on)
        return prior.to_constrained(on.put(painted(paint, (n, prior.unconstrained_dim))))

    @case(f"{name}.to_constrained#far", sizes=(7,), terms=30)
    def _(on, paint, n):
        prior = make(on)
        theta, log_det = prior.to_constrained(on.put(np.tile(FAR[:, None], prior.unconstrained_dim)))
        return prior.contains(theta), log_det

    @case(f"{name}.to_constrained_vjp", terms=30)
    def _(on, paint, n):
        prior = make(on)
        u, dtheta = painted(paint, (n, prior.unconstrained_dim)), paint.standard_normal((n, prior.dim))
        u[::3, 0] = 0.0
        return prior.to_constrained_vjp(on.put(u), on.put(dtheta))

    @case(f"{name}.from_uniform", terms=100)
    def _(on, paint, n):
        prior = make(on)
        return prior.from_uniform(on.put(paint.uniform(0.01, 0.98, (n, prior.unconstrained_dim))))

    @case(f"{name}.from_uniform#ends", sizes=(6,), terms=100)
    def _(on, paint, n):
        prior = make(on)
        theta = prior.from_uniform(on.put(np.tile(ENDS[:, None], prior.unconstrained_dim)))
        return prior.contains(theta), on.xp.isfinite(prior.log_prob(theta))

    @case(f"{name}.to_uniform", terms=100)
    def _(on, paint, n):
        return make(on).to_uniform(on.put(beyond(inside(paint, n))))

    @case(f"{name}.unconstrained_log_prob", terms=30)
    def _(on, paint, n):
        prior = make(on)
        return prior.unconstrained_log_prob(on.put(painted(paint, (n, prior.unconstrained_dim))))

    @case(f"{name}.unconstrained_log_prob_and_grad", terms=30)
    def _(on, paint, n):
        prior = make(on)
        return prior.unconstrained_log_prob_and_grad(on.put(painted(paint, (n, prior.unconstrained_dim))))

    @case(f"{name}.unconstrained_log_prob_and_grad#far", sizes=(7,), terms=30)
    def _(on, paint, n):
        prior = make(on)
        return prior.unconstrained_log_prob_and_grad(on.put(np.tile(FAR[:, None], prior.unconstrained_dim)))
