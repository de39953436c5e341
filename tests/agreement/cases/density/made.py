"""Cases for MADE."""
from tests.agreement.cases.density import _flow
from tests.agreement.registry import case

SETTINGS = {"hidden": (7, 5)}
TERMS = _flow.chain(3, SETTINGS["hidden"])

_flow.register("made", TERMS, **SETTINGS)


@case("density.made.masks", sizes=(1, 2, 5))
def _(on, paint, n):
    made = on.package.density.made
    return [made.masks(made.init_params(on.rng(), dim=n, context_dim=c, hidden=(6, 4, 9))) for c in (0, 3)]


@case("density.made.conditionals", terms=TERMS)
def _(on, paint, n):
    params = _flow.parameters(on, paint, "made", **SETTINGS)
    return on.package.density.made.conditionals(params, *_flow.inputs(on, paint, n))
