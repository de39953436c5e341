import numpy as np

from tests.agreement.registry import case, error_of, painted

STEPS = {"odd": (3, 31), "one chain": (1, 40), "short": (2, 5), "long": (4, 300)}


def walks(paint, chains, n):
    """Chains with memory, some of them drifting, every parameter at its own scale."""
    steps = painted(paint, (chains, n, 3), -1.0, 1.2)
    memory = np.array([0.0, 0.6, -0.5])
    for i in range(1, n):
        steps[:, i] += memory * steps[:, i - 1]
    return steps + np.array([0.0, 30.0, -2.0])


for name, shape in STEPS.items():
    @case(f"validation.convergence.r_hat#{name}", sizes=(1, 2, 7))
    def _(on, paint, n, shape=shape):
        return on.package.validation.convergence.r_hat(on.put(walks(paint, *shape)))

    @case(f"validation.convergence.effective_sample_size#{name}", sizes=(1, 2, 7), terms=30)
    def _(on, paint, n, shape=shape):
        return on.package.validation.convergence.effective_sample_size(on.put(walks(paint, *shape)))


@case("validation.convergence.r_hat#standing", sizes=(1,))
def _(on, paint, n):
    """Chains that stand still: all in one place, each in its own, one of two; and draws that are tied."""
    module, moving = on.package.validation.convergence, paint.standard_normal((2, 20))
    still = np.stack((np.full((2, 20), 3.0), np.array([[1.0], [2.0]]) * np.ones((2, 20)),
                      np.where([[1], [0]], moving, 0.5), np.round(moving)), axis=2)
    return module.r_hat(on.put(still)), module.effective_sample_size(on.put(still))


@case("validation.convergence.effective_sample_size#bad", sizes=(1,))
def _(on, paint, n):
    module = on.package.validation.convergence
    bad = (np.zeros((2, 3, 1)), np.zeros((2, 8)), np.zeros((0, 8, 1)), np.full((2, 8, 1), np.nan))
    return [error_of(function, on.put(chains)) for chains in bad
            for function in (module.r_hat, module.effective_sample_size)]
