"""Cases for the bound of a log-variance; what the likelihoods themselves compute is covered by those of elbo
and vae."""
import numpy as np

from tests.agreement.registry import case, painted


@case("generative.likelihoods.bounded", terms=4)
def _(on, paint, n):
    return on.package.generative.likelihoods.bounded(on.put(painted(paint, (n,), -40.0, 30.0)))


@case("generative.likelihoods.unbounded", terms=20)
def _(on, paint, n):
    return on.package.generative.likelihoods.unbounded(on.put(np.linspace(-15.0, 12.0, n)))
