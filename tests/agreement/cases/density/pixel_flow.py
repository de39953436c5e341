"""Cases for the flow on pixels: four pixels in an order of their own, with a context and without."""
import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, LEVELS, ORDER = 4, 5, np.array([2, 0, 3, 1])
BRIEF = {"n_transforms": 2, "hidden": (6,), "batch_size": 8, "max_epochs": 3, "validation_fraction": 0.2}
CONTEXT = {"plain": 0, "conditional": 2}
EDGE = {"dtypes": ("float64",), "note": "which level a draw gets is a comparison"}


def images(on, paint, n, context_dim):
    x = on.put(paint.integers(0, LEVELS, (n, DIM)).astype(float))
    return x, on.put(painted(paint, (n, context_dim))) if context_dim else None


def fitted(on, paint, context_dim, n=40):
    x, context = images(on, paint, n, context_dim)
    return (on.package.density.pixel_flow.fit(x, context=context, rng=on.rng(1), levels=LEVELS, order=ORDER,
                                              **BRIEF), x, context)


def without_modules(flow):
    return vars(flow) | {"density": flow.density.__name__.partition(".")[2], "order": flow.order.tolist()}


for name, context_dim in CONTEXT.items():
    def setting(on, paint, n, context_dim=context_dim):
        realnvp, scaling = on.package.density.realnvp, on.package.preprocessing.scaling.Scaling
        tree = realnvp.init_params(np.random.default_rng(0), dim=DIM, context_dim=context_dim, n_transforms=3,
                                   hidden=(6,))
        params, (x, context) = on.put(random_tree(paint, tree, 0.5)), images(on, paint, n, context_dim)
        context = on.put(np.zeros((n, 0))) if context is None else context
        moments = scaling(*on.put((painted(paint, (DIM,)), np.linspace(1, 2, DIM))))
        settings = {"density": realnvp, "levels": LEVELS, "alpha": 0.02, "scaling": moments}
        return (params, x, context, on.put(paint.uniform(0.1, 0.9, (n, DIM)))), settings

    @case(f"density.pixel_flow.loss#{name}", terms=lambda n: n + 300)
    def _(on, paint, n, setting=setting):
        arguments, settings = setting(on, paint, n)
        return on.package.density.pixel_flow.loss(*arguments, **settings)

    @case(f"density.pixel_flow.loss_and_grad#{name}", terms=lambda n: n + 1000)
    def _(on, paint, n, setting=setting):
        arguments, settings = setting(on, paint, n)
        return on.package.density.pixel_flow.loss_and_grad(*arguments, **settings)

    @case(f"density.pixel_flow.fit#{name}", sizes=(40,), terms=4000)
    def _(on, paint, n, context_dim=context_dim):
        return without_modules(fitted(on, paint, context_dim, n)[0])

    @case(f"density.pixel_flow.PixelFlow.log_prob#{name}", sizes=(1, 7), terms=20_000)
    def _(on, paint, n, context_dim=context_dim):
        (flow, _, _), u = fitted(on, paint, context_dim), on.put(paint.uniform(0.05, 0.95, (n, DIM)))
        context = on.put(painted(paint, (n, context_dim))) if context_dim else None
        bad = (u, on.put(painted(paint, (n, 3)))), (u[:, :2], context)
        return (flow.log_prob(u, context), flow.log_prob(u - 2, context),
                [error_of(flow.log_prob, *arguments) for arguments in bad])

    @case(f"density.pixel_flow.PixelFlow.bound#{name}", sizes=(1, 7), terms=20_000)
    def _(on, paint, n, context_dim=context_dim):
        (flow, _, _), (x, context) = fitted(on, paint, context_dim), images(on, paint, n, context_dim)
        return flow.bound(on.rng(2), x, context, n_draws=3), error_of(flow.bound, on.rng(), x - 7, context)

    @case(f"density.pixel_flow.PixelFlow.sample#{name}", sizes=(7,), **EDGE)
    def _(on, paint, n, context_dim=context_dim):
        flow, _, context = fitted(on, paint, context_dim)
        return flow.sample(on.rng(3), n, None if context is None else context[:3])


@case("density.pixel_flow.PixelFlow.save", sizes=(7,), terms=20_000)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        fitted(on, paint, 2)[0].save(folder + "/flow.npz")
        return on.put(without_modules(on.package.density.pixel_flow.load(folder + "/flow.npz")))


@case("density.pixel_flow.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.density.pixel_flow.load, "no such file")


@case("density.pixel_flow.fit#bad input", sizes=(8,))
def _(on, paint, n):
    fit, (x, context) = on.package.density.pixel_flow.fit, images(on, paint, n, 2)
    bad = ({"levels": 3}, {"levels": 1}, {"order": [0, 1, 2, 2]}, {"alpha": 0.5}, {"density": "maf"},
           {"context": context[:3]})
    found = [error_of(fit, x, rng=on.rng(0), **{"levels": LEVELS, **settings}) for settings in bad]
    return found, error_of(fit, x[0], rng=on.rng(0), levels=5)
