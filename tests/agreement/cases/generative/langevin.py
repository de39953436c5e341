"""Cases for Langevin dynamics: whole runs from the same draws, along the exact score of a mixture and along
networks, which are one kernel on a device, and scores that fail."""
from functools import partial

import numpy as np

from tests.agreement.cases.density.gaussian_mixture import known
from tests.agreement.cases.generative import score_model
from tests.agreement.cases.generative.score_network import OTHERS
from tests.agreement.registry import case, error_of, painted, random_tree

LEVELS = (3.0, 1.0, 0.4)


def setting(on, paint, n):
    """The sampler, the mixture's log-density and score, and a start."""
    mixture = known(on, "DIAGONAL")
    return (on.package.generative.langevin, mixture.log_prob,
            lambda x, sigma: on.package.density.mixture_score.score(mixture, x, sigma),
            on.put(painted(paint, (n, 3))))


def failing(score, after, rows):
    """The score, NaN in the first rows from its call number `after` on."""
    calls = []

    def fails(x, sigma):
        calls.append(sigma)
        s = score(x, sigma).copy()
        if len(calls) >= after:
            s[:rows] = np.nan
        return s
    return fails


def failure_of(function, *args, **settings):
    """What the error of a sampler carries."""
    try:
        function(*args, **settings)
    except ArithmeticError as error:
        return {"message": str(error), "level": error.level, "step": error.step, "samples": error.samples}
    raise AssertionError(f"{function.__name__} went on with NaN")


@case("generative.langevin.unadjusted", terms=200)
def _(on, paint, n):
    langevin, _, score, start = setting(on, paint, n)
    return (langevin.unadjusted(on.rng(1), score, start, step_size=0.05, n_steps=10),
            langevin.unadjusted(on.rng(1), score, start, step_size=0.05, n_steps=10, sigma=0.6, every=4))


@case("generative.langevin.annealed", terms=200)
def _(on, paint, n):
    langevin, _, score, start = setting(on, paint, n)
    return (langevin.annealed(on.rng(1), score, start, sigmas=LEVELS, step_size=0.02, n_steps=5),
            langevin.annealed(on.rng(1), score, start, sigmas=LEVELS, step_size=0.02, n_steps=5, denoise=True,
                              every=4),
            langevin.annealed(on.rng(1), score, start, sigmas=LEVELS[:1], step_size=0.02, n_steps=2,
                              denoise=True, every=1))


def counting(on, x):
    """A generator whose numbers are a function of their place, so that a kernel can draw them for itself."""
    return on.package.runtime.philox.PhiloxGenerator(2**40 + 5, like=x)


@case("generative.langevin.annealed#along a network", sizes=(1, 7, 153), terms=1000, kernels=True)
def _(on, paint, n):
    annealed, model = on.package.generative.langevin.annealed, score_model.known(on, paint)
    start, settings = on.put(painted(paint, (n, 3))), {"sigmas": LEVELS, "step_size": 0.02}
    rng = counting(on, start)
    return (annealed(on.rng(1), model.score, start, n_steps=4, **settings),
            annealed(on.rng(1), model.score, start, n_steps=5, denoise=True, every=4, **settings),
            annealed(rng, model.score, start, n_steps=5, denoise=True, every=3, **settings),
            annealed(rng, model.score, start, n_steps=2, **settings), rng.state)


@case("generative.langevin.unadjusted#along other networks", sizes=(70,), terms=1000, kernels=True)
def _(on, paint, n):
    score_matching, found = on.package.generative.score_matching, []
    unadjusted = on.package.generative.langevin.unadjusted
    for dim, hidden in OTHERS:
        params = score_matching.init_params(np.random.default_rng(0), dim=dim, hidden=hidden)
        params = on.put(random_tree(paint, params, scale=0.3))
        start, settings = on.put(painted(paint, (n, dim))), {"step_size": 0.05, "n_steps": 3, "sigma": 0.6}
        for score in (partial(score_matching.score, params),
                      partial(score_matching.score, params, spread=0.7)):
            found.append(unadjusted(counting(on, start), score, start, **settings))
    return found


@case("generative.langevin.annealed#along a mixture", sizes=(1, 7, 300), terms=1000, kernels=True)
def _(on, paint, n):
    annealed, start = on.package.generative.langevin.annealed, on.put(painted(paint, (n, 3)))
    settings = {"sigmas": LEVELS, "step_size": 0.02, "n_steps": 4}
    found = []
    for kind in ("FULL", "DIAGONAL"):
        score = partial(on.package.density.mixture_score.score, known(on, kind))
        found += [annealed(on.rng(1), score, start, **settings),
                  annealed(counting(on, start), score, start, denoise=True, every=3, **settings)]
    return found


@case("generative.langevin.annealed#along a network, not finite", sizes=(7,), terms=1000, dtypes=("float64",),
      kernels=True,
      note="a chain that runs away leaves the range of float32 far earlier, and is another chain in the end")
def _(on, paint, n):
    """A step far beyond stability: each multiplies the chains by a thousand and more, until they overflow."""
    annealed, model = on.package.generative.langevin.annealed, score_model.known(on, paint)
    start = on.put(painted(paint, (n, 3)))
    with np.errstate(over="ignore", invalid="ignore"):
        return [failure_of(annealed, rng, model.score, start, sigmas=sigmas, step_size=2e4, n_steps=n_steps,
                           every=every)
                for sigmas, n_steps, every in (((1.0,), 120, None), ((2.0, 1.0), 60, 20))
                for rng in (on.rng(1), counting(on, start))]


@case("generative.langevin.unadjusted#not finite", sizes=(7,), terms=200)
def _(on, paint, n):
    langevin, _, score, start = setting(on, paint, n)
    return [failure_of(langevin.unadjusted, on.rng(1), failing(score, after, 2), start, step_size=0.05,
                       n_steps=130, sigma=0.5, every=every)
            for after, every in ((1, None), (3, 2), (101, 50), (130, 60))]


@case("generative.langevin.annealed#not finite", sizes=(7,), terms=200)
def _(on, paint, n):
    langevin, _, score, start = setting(on, paint, n)
    return [failure_of(langevin.annealed, on.rng(1), failing(score, after, 2), start, sigmas=LEVELS,
                       step_size=0.02, n_steps=4,
                       denoise=True, every=3) for after in (1, 4, 5, 12, 13)]


@case("generative.langevin.annealed#bad input", sizes=(7,))
def _(on, paint, n):
    langevin, log_prob, score, start = setting(on, paint, n)
    right = {"sigmas": LEVELS, "step_size": 0.1, "n_steps": 3}
    bad = [{"sigmas": (1.0, 1.0)}, {"sigmas": (1.0, 2.0, 0.5)}, {"sigmas": (1.0, 0.0)}, {"sigmas": ()},
           {"sigmas": 1.0},
           {"sigmas": (np.nan, 1.0)}, {"step_size": 0.0}, {"step_size": np.inf}, {"n_steps": 0}, {"every": 0}]
    others = [(score, start[0]), (score, start + np.inf), (lambda x, sigma: score(x, sigma)[:, :2], start)]
    return ([error_of(langevin.annealed, on.rng(), score, start, **right | change) for change in bad],
            [error_of(langevin.annealed, on.rng(), s, x, **right) for s, x in others],
            error_of(langevin.unadjusted, on.rng(), score, start, step_size=0.1, n_steps=3, sigma=-1.0),
            error_of(langevin.metropolis, on.rng(), score, score, start, step_size=0.1, n_steps=3),
            error_of(langevin.metropolis, on.rng(), log_prob, score, start, step_size=-0.1, n_steps=3))
