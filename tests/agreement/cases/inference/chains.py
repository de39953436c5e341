import warnings

from tests.agreement.registry import case, error_of, painted


def steps(on, paint, n, stop=None):
    """Painted states; after four of them `stop` is raised."""
    state = on.package.inference.chains.State
    for i in range(n):
        if i == 4 and stop is not None:
            raise stop
        yield state(on.put(painted(paint, (3, 2))), on.put(painted(paint, (3,))), on.put(paint.random(3)),
                    on.put(paint.random(3)) > 0.6)


@case("inference.chains.collect", sizes=(1, 7))
def _(on, paint, n):
    return on.package.inference.chains.collect("sampler", steps(on, paint, n + 2), n_samples=n, n_warmup=2)


@case("inference.chains.collect#stopped", sizes=(7,))
def _(on, paint, n):
    chains, results = on.package.inference.chains, []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        results.append(chains.collect("sampler", steps(on, paint, n, KeyboardInterrupt()), n_samples=n,
                                      n_warmup=2))
    for n_warmup in (2, 4):
        try:
            chains.collect("sampler", steps(on, paint, n, chains.NotFinite("log_prob", 2)), n_samples=n,
                           n_warmup=n_warmup)
        except chains.NonFiniteTargetError as error:
            results += [str(error), error.iteration, error.n_chains, error.chains]
    return results, [str(warning.message) for warning in heard]


@case("inference.chains.collect#bad", sizes=(1,))
def _(on, paint, n):
    collect = on.package.inference.chains.collect
    return [error_of(collect, "sampler", steps(on, paint, 3), n_samples=kept, n_warmup=dropped)
            for kept, dropped in ((0, 1), (1, -1))]
