import numpy as np

from tests.agreement.registry import case, error_of


def ridge(theta):
    """A narrow, curved ridge, off the middle: an unresolved peak on the first grids."""
    return -0.5 * ((theta[:, 0] - 0.3) / 0.004)**2 - 0.5 * ((theta[:, 1] - 1.2 * theta[:, 0]**2) / 0.01)**2


def edge(theta):
    """Highest at the lower bound."""
    return -4.0 * theta[:, 0]


FITTED = {"ridge": (ridge, [-1.0, -1.0], [1.0, 2.0]), "edge": (edge, [0.5], [6.0])}
for name, arguments in FITTED.items():
    @case(f"numerics.grid.fit_grid#{name}", sizes=(41,), terms=2000)
    def _(on, paint, n, arguments=arguments):
        return on.put(on.package.numerics.grid.fit_grid(*arguments, n_nodes=n))

    @case(f"numerics.grid.Grid.sample#{name}", terms=30, dtypes=("float64",),
          note="a search in the running sum is a comparison")
    def _(on, paint, n, arguments=arguments):
        return on.package.numerics.grid.fit_grid(*arguments, n_nodes=41).sample(on.rng(n), n)


@case("numerics.grid.fit_grid#bad", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.numerics.grid.fit_grid, edge, [0.5], [6.0], n_nodes=10)


@case("numerics.grid.Grid.sample#inside", sizes=(153,))
def _(on, paint, n):
    class Ends:
        def random(self, shape):
            return on.put(np.tile(np.array([[0.0], [1 - 2.0**-24]]), shape[1]))
    theta = on.package.numerics.grid.fit_grid(edge, [0.1], [0.3], n_nodes=n).sample(Ends(), 2)
    return on.package.priors.BoxUniform(0.1, 0.3).contains(theta)
