import numpy as np

from tests.agreement.registry import case, error_of, painted

LOW, HIGH = [-1.3, 0.1, 30.0], [2.1, 0.7, 90.0]
FAR = np.array([-40.0, -9.0, -1e-3, 0.0, 2e-8, 7.0, 40.0])


def make(on, name):
    priors = on.package.priors
    return {"BoxUniform": lambda: priors.BoxUniform(LOW, HIGH),
            "Normal": lambda: priors.Normal([0.1, -2.3, 30.0], [0.3, 4.1, 7.0]),
            "LogNormal": lambda: priors.LogNormal([-0.9, 0.1, 2.0], [0.5, 1.7, 0.2]),
            "Dirichlet": lambda: priors.Dirichlet([0.4, 2.2, 1.0, 5.3]),
            "Independent": lambda: priors.Independent([make(on, "Dirichlet"), make(on, "BoxUniform"), make(on, "LogNormal")])}[name]()


def inside(on, paint, n, name):
    """Rows inside the support, by no code of the library's."""
    return {"BoxUniform": lambda: paint.uniform(LOW, HIGH, (n, 3)), "Normal": lambda: painted(paint, (n, 3)) * 5,
            "LogNormal": lambda: paint.uniform(0.05, 9.0, (n, 3)), "Dirichlet": lambda: paint.dirichlet([2.0, 3.0, 1.5, 2.5], n),
            "Independent": lambda: np.hstack([inside(on, paint, n, part) for part in ("Dirichlet", "BoxUniform", "LogNormal")])}[name]()


def beyond(theta):
    """Some rows moved outside, to a bound or to NaN, where there are enough."""
    theta[1::5, -1] = -1.0
    theta[2::5, 0] = np.nan
    theta[3::7, 1] = np.inf
    theta[4::7, -1] = 0.0
    return theta


MODULES = {"BoxUniform": "box_uniform", "Normal": "normal", "LogNormal": "normal", "Dirichlet": "dirichlet", "Independent": "independent"}
for name, module in MODULES.items():
    @case(f"priors.{module}.{name}.sample", terms=100)
    def _(on, paint, n, name=name):
        return make(on, name).sample(on.rng(n), n)

    @case(f"priors.{module}.{name}.contains")
    def _(on, paint, n, name=name):
        return make(on, name).contains(on.put(beyond(inside(on, paint, n, name))))

    @case(f"priors.{module}.{name}.log_prob", terms=30)
    def _(on, paint, n, name=name):
        return make(on, name).log_prob(on.put(beyond(inside(on, paint, n, name))))

    @case(f"priors.{module}.{name}.to_unconstrained", terms=30)
    def _(on, paint, n, name=name):
        return make(on, name).to_unconstrained(on.put(inside(on, paint, n, name)))

    @case(f"priors.{module}.{name}.to_unconstrained#outside", terms=30)
    def _(on, paint, n, name=name):
        u, log_det = make(on, name).to_unconstrained(on.put(beyond(inside(on, paint, n, name))))
        return on.xp.isfinite(u).all(axis=1), on.xp.isfinite(log_det)

    @case(f"priors.{module}.{name}.to_constrained", terms=30)
    def _(on, paint, n, name=name):
        prior = make(on, name)
        return prior.to_constrained(on.put(painted(paint, (n, prior.unconstrained_dim))))

    @case(f"priors.{module}.{name}.to_constrained#far", sizes=(7,), terms=30)
    def _(on, paint, n, name=name):
        prior = make(on, name)
        theta, log_det = prior.to_constrained(on.put(np.tile(FAR[:, None], prior.unconstrained_dim)))
        return prior.contains(theta), log_det

    @case(f"priors.{module}.{name}.to_constrained_vjp", terms=30)
    def _(on, paint, n, name=name):
        prior = make(on, name)
        u, dtheta = painted(paint, (n, prior.unconstrained_dim)), paint.standard_normal((n, prior.dim))
        u[::3, 0] = 0.0
        return prior.to_constrained_vjp(on.put(u), on.put(dtheta))

    @case(f"priors.{module}.{name}.unconstrained_log_prob", terms=30)
    def _(on, paint, n, name=name):
        prior = make(on, name)
        return prior.unconstrained_log_prob(on.put(painted(paint, (n, prior.unconstrained_dim))))

    @case(f"priors.{module}.{name}.unconstrained_log_prob_and_grad", terms=30)
    def _(on, paint, n, name=name):
        prior = make(on, name)
        return prior.unconstrained_log_prob_and_grad(on.put(painted(paint, (n, prior.unconstrained_dim))))

    @case(f"priors.{module}.{name}.unconstrained_log_prob_and_grad#far", sizes=(7,), terms=30)
    def _(on, paint, n, name=name):
        prior = make(on, name)
        return prior.unconstrained_log_prob_and_grad(on.put(np.tile(FAR[:, None], prior.unconstrained_dim)))

    @case(f"priors.independent.describe#{name}", sizes=(1,))
    def _(on, paint, n, name=name):
        return on.package.priors.describe(make(on, name))

    @case(f"priors.independent.restore#{name}", sizes=(7,), terms=30)
    def _(on, paint, n, name=name):
        priors = on.package.priors
        return priors.restore(priors.describe(make(on, name))).log_prob(on.put(inside(on, paint, n, name)))


@case("priors.independent.restore#unknown", sizes=(1,))
def _(on, paint, n):
    bad = ({"name": "Cauchy", "scale": [1.0]}, {"name": "Normal", "mean": [0.0]}, {}, None, "Normal", {"name": ["Normal"]},
           {"name": "Independent", "parts": [{"name": "Cauchy"}]}, {"name": "Independent", "parts": 3})
    return [error_of(on.package.priors.restore, value) for value in bad]


@case("priors.independent.check_inside", sizes=(7, 31))
def _(on, paint, n):
    priors = on.package.priors
    good, bad = on.put(inside(on, paint, n, "Dirichlet")), on.put(beyond(inside(on, paint, n, "Dirichlet")))
    priors.check_inside("theta", make(on, "Dirichlet"), good)
    return error_of(priors.check_inside, "theta", make(on, "Dirichlet"), bad)


@case("priors.constants.hold", sizes=(1,))
def _(on, paint, n):
    normal = on.package.priors.Normal
    prior = normal(on.put(np.array([0.5, 2.0])), [1, 2])
    return error_of(normal, [0.0, np.nan], [1.0, 1.0]), prior.mean.tolist(), prior.std.tolist(), prior.mean.flags.writeable


@case("priors.independent.unconstrained_inside", sizes=(1, 7, 31), terms=200)
def _(on, paint, n):
    theta = on.put(beyond(inside(on, paint, n, "BoxUniform")))
    return on.package.priors.unconstrained_inside(make(on, "BoxUniform"), theta)
