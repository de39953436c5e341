"""How a score tells kernels what it computes: the attribute `kernel_form`, and the forms that kernels know.

A score is a callable (x, sigma) → (N, D). It may carry an attribute `kernel_form`, a callable that returns

    Network     a score network (generative/score_network.py) behind an affine map of x
    Mixture     the score of a Gaussian mixture, smoothed by σ (density/mixture_score.py)

Arguments that are bound to the score are passed to its `kernel_form`: for partial(f, a, k=b) the form is
f.kernel_form(a, k=b), for a bound method model.f it is f.kernel_form(model). Chains along a score without a
form, such as a lambda, or whose form does not take these arguments, move in array code. The form must
describe the same function as the score; this is not checked.

`ScoreModel.score`, `score_matching.score` and `mixture_score.score` have a form. A function gets one by a
decorator,

    @form.declares(lambda params: form.Network(params["layers"], tau=score_network.TAU, scale=2.0))
    def wider(params, x, sigma):
        return score_network.score(params, x / 2.0, sigma / 2.0) / 2.0

or, if it is an object, by a method `kernel_form` without arguments.
"""
import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import NamedTuple

from accel.runtime.protocols import Array

__all__ = ["Network", "Mixture", "declares", "form_of"]


class Network(NamedTuple):
    """s(x, σ) = Vᵀ s′(V (x − m)/c, σ/c)/c, where s′ is the score of `generative.score_network`.

    Attributes
    ----------
    layers : sequence of (n_in + 1, n_out) float
        The network, fed with D + T numbers.
    tau : (T,) float
        Where e(σ) has its steps, for the network's own σ/c.
    spread : float or (D,) float
        k of the preconditioning.
    mean : (D,) float, optional
        m; zero if None.
    axes : (D, D) float, optional
        V, its rows orthonormal; the identity if None.
    scale : float
        c.
    """
    layers: Sequence
    tau: Array
    spread: Array | float = 1.0
    mean: Array | None = None
    axes: Array | None = None
    scale: float = 1.0


class Mixture(NamedTuple):
    """The score of ∑ₖ πₖ N(x; μₖ, Σₖ + σ²I).

    Attributes
    ----------
    weights : (K,) float
    means : (K, D) float
    covariances : (K, D, D) or (K, D) float
        Σ, or its diagonals.
    """
    weights: Array
    means: Array
    covariances: Array


def declares(form: Callable) -> Callable:
    """A decorator: the function carries `form` as its `kernel_form`, and is otherwise unchanged.

    Parameters
    ----------
    form : callable
        Takes the arguments of the function that come before x and sigma, and its settings; returns a Network
        or a Mixture.
    """
    def give(score):
        score.kernel_form = form
        return score
    return give


def form_of(score: Callable) -> Network | Mixture | None:
    """The form of a score, None if it has none.

    Parameters
    ----------
    score : callable
        (x, sigma) → (N, D).

    Raises
    ------
    ValueError
        If its `kernel_form` returns something else than a Network, a Mixture or None.
    """
    args, keywords = (), {}
    if isinstance(score, functools.partial):
        args, keywords, score = score.args, score.keywords, score.func
    if isinstance(score, types.MethodType):
        args, score = (score.__self__, *args), score.__func__
    declared = getattr(score, "kernel_form", None)
    if declared is None:
        return None
    try:
        inspect.signature(declared).bind(*args, **keywords)
    except TypeError:                                                 # arguments that the form does not take
        return None
    form = declared(*args, **keywords)
    if not isinstance(form, Network | Mixture | None):
        raise ValueError(f"kernel_form: expected a Network or a Mixture, got {type(form).__name__}")
    return form
