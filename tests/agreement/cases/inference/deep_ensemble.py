import os
import tempfile

import numpy as np

from tests.agreement.cases.inference.npe import BRIEF, simulations
from tests.agreement.registry import case, error_of, remembered


@remembered
def trained(on, paint, n):
    prior, theta, x = simulations(on, paint, n)
    return (on.package.inference.deep_ensemble.fit(prior, theta, x, rng=np.random.default_rng(1), n_members=3,
                                                   n_processes=1, **BRIEF), theta, x)


@case("inference.deep_ensemble.fit", sizes=(60,), terms=2000, kernels=True)
def _(on, paint, n):
    ensemble, _, _ = trained.__wrapped__(on, paint, n)
    return [member.params for member in ensemble.members], ensemble.weights.tolist()


@case("inference.deep_ensemble.Ensemble.sample", sizes=(60,), terms=20_000, dtypes=("float64",),
      note="the member of a draw is a comparison of a uniform number with the weights")
def _(on, paint, n):
    ensemble, _, x = trained(on, paint, n)
    return (ensemble.sample(on.rng(2), 11, x[0]), ensemble.sample(on.rng(3), 5, x[:3]),
            ensemble.sample(on.rng(3), 1, x[0]))


@case("inference.deep_ensemble.Ensemble.log_prob", sizes=(60,), terms=20_000)
def _(on, paint, n):
    ensemble, theta, x = trained(on, paint, n)
    outside = on.put(np.array([[1.0, -1.0], [4.0, -1.0]]))
    return ensemble.log_prob(theta, x), ensemble.log_prob(outside, x[0])


@case("inference.deep_ensemble.combine", sizes=(60,), terms=2000)
def _(on, paint, n):
    combine, members = on.package.inference.deep_ensemble.combine, trained(on, paint, n)[0].members
    return combine(members[:2]).weights.tolist(), error_of(combine, [])


@case("inference.deep_ensemble.Ensemble.save", sizes=(60,), terms=2000)
def _(on, paint, n):
    module = on.package.inference.deep_ensemble
    with tempfile.TemporaryDirectory() as folder:
        trained(on, paint, n)[0].save(os.path.join(folder, "ensemble.npz"))
        back = module.load(os.path.join(folder, "ensemble.npz"))
    return [on.put(member.params) for member in back.members], back.weights.tolist()


@case("inference.deep_ensemble.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.inference.deep_ensemble.load, "no such file")


@case("inference.deep_ensemble.fit#nsf", sizes=(60,), terms=2000)
def _(on, paint, n):
    prior, theta, x = simulations(on, paint, n)
    ensemble = on.package.inference.deep_ensemble.fit(prior, theta, x, rng=np.random.default_rng(1),
                                                      n_members=2, n_processes=1,
                                                      density=on.package.density.nsf, **BRIEF)
    return [member.params for member in ensemble.members], ensemble.weights.tolist()
