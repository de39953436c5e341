from tests.agreement.cases.priors import box_uniform, dirichlet, independent, log_normal, normal
from tests.agreement.registry import case, error_of

for page in (box_uniform, normal, log_normal, dirichlet, independent):
    name = page.__name__.rpartition(".")[2]

    @case(f"priors.registry.describe#{name}", sizes=(1,))
    def _(on, paint, n, page=page):
        return on.package.priors.describe(page.make(on))

    @case(f"priors.registry.restore#{name}", sizes=(7,), terms=30)
    def _(on, paint, n, page=page):
        priors = on.package.priors
        return priors.restore(priors.describe(page.make(on))).log_prob(on.put(page.inside(paint, n)))


@case("priors.registry.restore#unknown", sizes=(1,))
def _(on, paint, n):
    bad = ({"name": "Cauchy", "scale": [1.0]}, {"name": "Normal", "mean": [0.0]}, {}, None, "Normal",
           {"name": ["Normal"]}, {"name": "Independent", "parts": [{"name": "Cauchy"}]},
           {"name": "Independent", "parts": 3})
    return [error_of(on.package.priors.restore, value) for value in bad]
