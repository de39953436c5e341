from tests.agreement.registry import case, error_of


@case("simulators.galaxy_anomaly.simulate", sizes=(1, 7, 31), terms=100)
def _(on, paint, n):
    module = on.package.simulators.galaxy_anomaly
    simulate = module.simulate
    found = [simulate(on.rng(n), n, kind) for kind in (module.RING, module.MERGER)]
    return (found, simulate(on.rng(n), n, module.ARC, noise=30.0, fwhm=2.0, beta=3.0),
            error_of(simulate, on.rng(n), n, "ring"), error_of(simulate, on.rng(n), 0, module.TAIL),
            error_of(simulate, on.rng(n), n, module.TAIL, noise=0))
