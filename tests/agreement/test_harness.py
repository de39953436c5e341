"""The tester is tested: what a wrong twin can get wrong is caught, and a right twin passes."""
import importlib
import sys
import types

import numpy as np
import pytest

import accel
import reference
from tests.agreement import comparator, mirror
from tests.agreement.backends import REFERENCE, accel_backends
from tests.agreement.harness import compare, is_gradient
from tests.agreement.public import modules, public_functions
from tests.agreement.registry import Case, all_cases, case, painted

BACKENDS = [backend for backend in accel_backends().values() if not backend.kernels]
FLOAT32 = [backend for backend in BACKENDS if backend.dtype == "float32"]
ON_A_DEVICE = [backend for backend in BACKENDS if backend.xp is not np]


def on_every(backends):
    return pytest.mark.parametrize("backend", backends, ids=lambda backend: backend.name)


# A case with square layers, so that a transposed gradient keeps its shape


def _square(on, paint, n):
    nets = on.package.nets.dense
    layers = [painted(paint, (4, 3)), painted(paint, (4, 4))[:, :3]]
    inputs = [painted(paint, (n, 3)) for _ in range(2)]
    out, dlayers, dx = nets.mlp_vjp(on.put(layers), on.put(inputs[0]), on.put(inputs[1]))
    return {"out": out, "weights": dlayers[1][1:], "bias": dlayers[1][0], "dx": dx, "mean": out.mean(),
            "rows": n, "name": "mlp"}


SQUARE = Case("nets.dense.mlp_vjp#square", _square, (7,), lambda n: n + 10, ("float64", "float32"), "")


def broken(backend, spoil):
    """The backend with a package whose mlp_vjp returns what spoil makes of the right result; accel itself is
    untouched."""
    def mlp_vjp(layers, x, cotangent):
        return spoil(*accel.nets.dense.mlp_vjp(layers, x, cotangent))
    package = types.SimpleNamespace(nets=types.SimpleNamespace(dense=types.SimpleNamespace(mlp_vjp=mlp_vjp)))
    return backend._replace(package=package)


def with_weights(change):
    """A spoiler that changes the weights' gradient of the last layer in a copy."""
    def spoil(out, dlayers, dx):
        last = dlayers[-1].copy()
        last[1:] = change(last[1:].copy())
        return out, [*dlayers[:-1], last], dx
    return spoil


def with_one_entry(value):
    def change(weights):
        weights[1, 2] = value
        return weights
    return with_weights(change)


def swap_columns(weights):
    swapped = weights.copy()
    swapped[:, 0], swapped[:, 1] = weights[:, 1], weights[:, 0]
    return swapped


@on_every(BACKENDS)
def test_a_right_twin_passes(backend):
    gaps = compare(SQUARE, broken(backend, lambda *result: result), 7)
    assert list(gaps) == ["out", "weights", "bias", "dx", "mean"]


@on_every(BACKENDS)
@pytest.mark.parametrize("spoil",
                         [pytest.param(with_weights(lambda w: 1.001 * w), id="a gradient off by 0.1 %"),
                          pytest.param(with_weights(lambda w: -w), id="a flipped sign"),
                          pytest.param(with_weights(swap_columns), id="a swapped column"),
                          pytest.param(with_weights(lambda w: w.T), id="a transposed leaf"),
                          pytest.param(with_weights(lambda w: 0 * w), id="a gradient that is zero"),
                          pytest.param(with_one_entry(np.nan), id="a NaN in one entry"),
                          pytest.param(with_one_entry(np.inf), id="an inf in one entry"),
                          pytest.param(lambda out, d, dx: (out, d, dx[::-1].copy()),
                                       id="a permuted sample order"),
                          pytest.param(lambda out, d, dx: (out[::-1].copy(), d, dx), id="a permuted output"),
                          pytest.param(lambda out, d, dx: (1.001 * out, d, dx), id="a value off by 0.1 %"),
                          pytest.param(lambda out, d, dx: (out, d, dx[:, :2]), id="a column short"),
                          pytest.param(lambda out, d, dx: (out, d, dx[0]), id="a row in place of all"),
                          pytest.param(lambda out, d, dx: (out, d[::-1], dx), id="layers in reverse"),
                          pytest.param(lambda out, d, dx: (out, d, dx.astype("float16").astype(dx.dtype)),
                                       id="half precision on the way")])
def test_a_wrong_number_is_caught(backend, spoil):
    with pytest.raises(AssertionError):
        compare(SQUARE, broken(backend, spoil), 7)


@on_every(BACKENDS)
def test_the_other_precision_is_caught(backend):
    other = {"float32": "float64", "float64": "float32"}[backend.dtype]
    with pytest.raises(AssertionError, match="dtype"):
        compare(SQUARE, broken(backend, lambda out, d, dx: (out, d, dx.astype(other))), 7)


@on_every(FLOAT32)
def test_a_single_number_in_float64_is_caught(backend):
    """np.float64 is a Python float too; that must not hide it."""
    upcast = Case("f", lambda on, paint, n: on.put(painted(paint, (n,))).sum()
                  * (1.0 if on is REFERENCE else np.float64(1)), (3,), lambda n: n, ("float32",), "")
    with pytest.raises(AssertionError, match="dtype"):
        compare(upcast, backend, 3)


@on_every(ON_A_DEVICE)
def test_a_result_that_never_reached_the_device_is_caught(backend):
    for spoil in (lambda out, d, dx: (out, d, dx.get()), lambda out, d, dx: (out.get(), d, dx)):
        with pytest.raises(AssertionError, match="never reached the device"):
            compare(SQUARE, broken(backend, spoil), 7)


@on_every(BACKENDS)
def test_a_number_that_was_fetched_is_caught(backend):
    """A plain float where the reference returns an array: on a device it cost a synchronisation."""
    fetched = Case("f",
                   lambda on, paint, n: (float if on is not REFERENCE else np.asarray)(
        on.put(painted(paint, (n,))).sum()), (3,), lambda n: n, ("float64",), "")
    with pytest.raises(AssertionError, match="a float, expected a"):
        compare(fetched, backend._replace(dtype="float64"), 3)


def changed(change):
    """A case whose result the device backends change."""
    def run(on, paint, n):
        result = {"a": on.put(painted(paint, (n,))), "b": [on.put(painted(paint, (n,)))], "count": 3,
                  "flag": on.put(np.arange(n) > 1), "name": "f", "nothing": None}
        return result if on is REFERENCE or on.package is reference else change(result)
    return Case("f", run, (5,), lambda n: n, ("float64", "float32"), "")


@on_every(BACKENDS)
def test_an_unchanged_result_of_many_kinds_passes(backend):
    assert list(compare(changed(lambda result: result), backend, 5)) == ["a", "b.0"]


@on_every(BACKENDS)
@pytest.mark.parametrize("change", [
    pytest.param(lambda r: {key: r[key] for key in r if key != "a"}, id="a missing leaf"),
    pytest.param(lambda r: r | {"b": []}, id="a missing item"),
    pytest.param(lambda r: r | {"c": r["a"]}, id="an extra leaf"),
    pytest.param(lambda r: r | {"b": [*r["b"], r["a"]]}, id="an extra item"),
    pytest.param(lambda r: dict(reversed(r.items())), id="another order"),
    pytest.param(lambda r: r | {"a": [r["a"]]}, id="another depth"),
    pytest.param(lambda r: r | {"count": 4}, id="another count"),
    pytest.param(lambda r: r | {"count": 3.0}, id="a float for an integer"),
    pytest.param(lambda r: r | {"flag": ~r["flag"]}, id="the other flag"),
    pytest.param(lambda r: r | {"flag": 1 * r["flag"]}, id="an integer for a flag"),
    pytest.param(lambda r: r | {"name": "g"}, id="another word"),
    pytest.param(lambda r: r | {"nothing": 0}, id="zero for nothing"),
    pytest.param(lambda r: r | {"a": None}, id="nothing for an array")])
def test_another_structure_is_caught(backend, change):
    with pytest.raises(AssertionError):
        compare(changed(change), backend, 5)


def test_a_case_that_returns_nothing_is_caught():
    with pytest.raises(AssertionError, match="nothing to compare"):
        compare(Case("f", lambda on, paint, n: None, (1,), lambda n: n, ("float64",), ""), BACKENDS[0], 1)


def test_gradients_are_told_from_values():
    for name, path, expected in (("density.maf.loss_and_grad", "0", False),
                                 ("density.maf.loss_and_grad", "1.mades.0", True),
                                 ("nets.dense.mlp_vjp#TANH", "2", True), ("density.maf.log_prob", "", False)):
        assert is_gradient(SQUARE._replace(name=name), path) == expected


def test_a_name_is_registered_once_and_a_left_out_dtype_is_explained():
    assert "nets.dense.mlp" in all_cases()
    with pytest.raises(ValueError, match="two cases"):
        case("nets.dense.mlp")(lambda on, paint, n: None)
    with pytest.raises(ValueError, match="must say why"):
        case("nets.dense.no_such_function", dtypes=("float64",))(lambda on, paint, n: None)


# The tolerance rule, at its edge


EPS, EPS32 = 2.0**-52, 2.0**-23


@pytest.mark.parametrize("terms", [1, 3, 100])
@pytest.mark.parametrize("scale", [1.0, 8.0, 2.0**-40])
def test_float64_is_judged_by_32_n_eps_of_the_scale(terms, scale):
    expected = np.array([scale, 0.0, -scale / 2])
    edge = 32 * terms * EPS * scale
    comparator.assert_close(expected + [0, edge, 0], expected, terms=terms)
    comparator.assert_close(expected - [0, edge, 0], expected, terms=terms)
    for beyond in (np.nextafter(edge, 1), -np.nextafter(edge, 1)):
        with pytest.raises(AssertionError, match="differs by"):
            comparator.assert_close(expected + [0, beyond, 0], expected, terms=terms)


def test_the_scale_of_zeros_is_one():
    comparator.assert_close(np.array([32 * EPS]), np.zeros(1))
    with pytest.raises(AssertionError):
        comparator.assert_close(np.array([33 * EPS]), np.zeros(1))


@pytest.mark.parametrize("error", [0.0, 2.0**-18])
def test_float32_is_judged_by_the_references_own_error(error):
    """At most three times as far as the reference fed float32, plus 8 ulp of the scale."""
    expected, baseline = np.array([1.0, 0.5]), np.array([1.0, 0.5 - error], np.float32)
    edge = 3 * error + 8 * EPS32
    comparator.assert_close(np.array([1.0, 0.5 + edge], np.float32), expected, baseline=baseline)
    with pytest.raises(AssertionError, match="differs by"):
        comparator.assert_close(np.array([1.0, 0.5 + edge + EPS32 / 2], np.float32), expected,
                                baseline=baseline)


def test_terms_do_not_widen_the_float32_rule():
    with pytest.raises(AssertionError):
        comparator.assert_close(np.float32(1 + 9 * EPS32), np.float64(1), terms=1000, baseline=np.float32(1))


def test_nan_matches_nan_and_inf_its_own_sign():
    special = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert comparator.assert_close(special, special.copy()).absolute == 0
    for wrong in ([0, np.inf, -np.inf, 1], [np.nan, -np.inf, -np.inf, 1], [np.nan, np.inf, np.nan, 1],
                  [np.nan, np.inf, -np.inf, np.nan], [np.nan, 1e308, -np.inf, 1],
                  [np.nan, np.inf, -np.inf, np.inf]):
        with pytest.raises(AssertionError):
            comparator.assert_close(np.array(wrong, float), special)


def test_shapes_are_not_broadcast():
    for shape in ((1,), (3, 1), (1, 3), ()):
        with pytest.raises(AssertionError, match="shape"):
            comparator.assert_close(np.ones(shape), np.ones(3))


def test_a_reference_that_overflows_in_float32_is_no_excuse():
    with pytest.raises(AssertionError, match="not finite in float32"):
        comparator.assert_close(np.array([1.0]), np.array([1.0]), baseline=np.array([np.inf], np.float32))


# The mirror, on small packages that break it


TWIN = '''"""A page."""
from typing import NamedTuple
from dataclasses import dataclass
__all__ = ["Fit", "Box", "loss", "LIMIT"]
SHARED = ["helper"]
__all__ += SHARED
LIMIT = 3.0


class Fit(NamedTuple):
    mean: float
    n: int = 1

    def transform(self, x):
        """Scores."""
        return x


@dataclass(frozen=True)
class Box:
    low: float
    high: float

    def sample(self, rng, n):
        """Draws."""
        return n


def helper(x):
    return x


def loss(params, x, *, scale=1.0):
    """A number.

    Parameters
    ----------
    params, x : dict
        The weights.
    scale : float
        A factor.

    Raises
    ------
    ValueError
        Never.
    """
    return x
'''


@pytest.fixture
def twins(tmp_path, monkeypatch):
    """A function that writes two packages, left and right, from the text of their one module, and imports
    them."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(left=TWIN, right=TWIN, name="page", right_name=None):
        for package, text, module in (("left_panel", left, name), ("right_panel", right, right_name or name)):
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text("")
            (tmp_path / package / f"{module}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("left_panel"), importlib.import_module("right_panel")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] in ("left_panel", "right_panel")]:
        del sys.modules[name]


def check_all(left, right, cases=None):
    """Every check of the mirror, as test_mirror.py makes them."""
    for name in modules(left) | modules(right):
        mirror.check_names(left, right, name)
    names = public_functions(left).keys() | public_functions(right).keys()
    for name in names:
        mirror.check_signature(left, right, name)
        mirror.check_documented(left, name)
        mirror.check_documented(right, name)
        mirror.check_same_documentation(left, right, name)
    mirror.check_cases(left, right, cases if cases is not None
                       else [types.SimpleNamespace(function=name) for name in names])
    mirror.check_independent(left, right)
    mirror.check_independent(right, left)


def test_right_twins_pass(twins):
    left, right = twins()
    assert public_functions(left).keys() == {"page.loss", "page.Fit.transform", "page.Box.sample"}
    check_all(left, right)


@pytest.mark.parametrize(
    "change",
    [pytest.param(("def loss", "def score"), id="a function without a twin"),
     pytest.param(('"loss", ', ""), id="a name that is not public"),
     pytest.param(('"Fit", "Box"', '"Box", "Fit"'), id="another order"),
     pytest.param(("(params, x, *, scale=1.0)", "(params, x, *, scale=2.0)"), id="another default"),
     pytest.param(("(params, x, *, scale=1.0)", "(params, x, scale=1.0)"), id="another kind of parameter"),
     pytest.param(("(params, x, *, scale=1.0)", "(x, params, *, scale=1.0)"),
                  id="another order of parameters"),
     pytest.param(("(params, x, *, scale=1.0)", "(params, x, *, scale=1.0, more=None)"),
                  id="one more parameter"),
     pytest.param(("def transform(self, x)", "def transform(self, z)"), id="a method with another parameter"),
     pytest.param(("def transform", "def encode"), id="a method without a twin"),
     pytest.param(("def sample", "def _sample"), id="a hidden method"),
     pytest.param(("n: int = 1", "n: int = 2"), id="another default of a field"),
     pytest.param(("    mean: float\n    n: int = 1", "    m: float\n    n: int = 1"), id="another field"),
     pytest.param(("    low: float\n    high: float", "    high: float\n    low: float"),
                  id="dataclass fields in another order"),
     pytest.param(("class Fit(NamedTuple)", "class Fit"), id="another base"),
     pytest.param(("LIMIT = 3.0", "LIMIT = 3"), id="a constant of another type"),
     pytest.param(("LIMIT = 3.0", "LIMIT = 3.0\nimport left_panel"), id="an import of the other package"),
     pytest.param(("LIMIT = 3.0", "LIMIT = 3.0\nfrom left_panel.page import loss as theirs"),
                  id="an import from the other package")])
def test_a_broken_mirror_is_caught(twins, change):
    assert change[0] in TWIN
    left, right = twins(right=TWIN.replace(*change).replace('"loss"',
                                                            '"score"' if "def score" in change else '"loss"'))
    with pytest.raises(AssertionError):
        check_all(left, right)


def test_a_module_without_a_twin_is_caught(twins):
    left, right = twins(right_name="leaf")
    with pytest.raises(AssertionError, match="has no module"):
        check_all(left, right)


@pytest.mark.parametrize(
    ("change", "message"),
    [pytest.param(('"""Scores."""', "x = x + 1"), "no docstring", id="no docstring"),
     pytest.param(('    """A number.\n\n    Parameters', '    """A number.\n\n    Arguments'),
                  "does not describe params, x, scale", id="no section Parameters"),
     pytest.param(("    scale : float\n        A factor.\n", ""), "does not describe scale",
                  id="a parameter is missing"),
     pytest.param(("params, x : dict", "params, x, y : dict"), "describes y, which it does not take",
                  id="one too many"),
     pytest.param(("A factor.", "A number."), "section Parameters differs", id="another word"),
     pytest.param(("Never.", "Always."), "section Raises differs", id="another error"),
     pytest.param(("    Raises\n    ------\n    ValueError\n        Never.\n", ""), "section Raises differs",
                  id="no section Raises")])
@pytest.mark.parametrize("side", ["left", "right"])
def test_documentation_that_is_missing_or_differs_is_caught(twins, side, change, message):
    assert change[0] in TWIN
    left, right = twins(**{side: TWIN.replace(*change)})
    with pytest.raises(AssertionError, match=message):
        check_all(left, right)


def test_only_one_package_may_have_a_shared_name(twins):
    check_all(*twins(left=TWIN.replace('SHARED = ["helper"]\n__all__ += SHARED\n', "")))


@pytest.mark.parametrize("change", [pytest.param(("SHARED = [", "SHARED = [\"loss\", "),
                                                 id="public in one package and shared in the other"),
                                    pytest.param(("__all__ += SHARED\n", ""), id="shared and not listed"),
                                    pytest.param(('SHARED = ["helper"]\n__all__ += SHARED',
                                                  '__all__ += ["helper"]'), id="listed and not shared")])
def test_a_wrong_shared_list_is_caught(twins, change):
    assert change[0] in TWIN
    left, right = twins(right=TWIN.replace(*change))
    with pytest.raises(AssertionError):
        check_all(left, right)


@pytest.mark.parametrize(("cases", "message"),
                         [(["page.loss", "page.Fit.transform"], "no case: .'page.Box.sample'."),
                          (["page.loss", "page.Fit.transform", "page.Box.sample", "page.gone"],
                           "no such function")])
def test_a_function_without_a_case_and_a_case_without_a_function_are_caught(twins, cases, message):
    with pytest.raises(AssertionError, match=message):
        check_all(*twins(), cases=[types.SimpleNamespace(function=name) for name in cases])


def test_a_case_for_kernels_that_launches_none_is_caught():
    on = next(backend
              for backend in accel_backends().values() if backend.xp is not np and not backend.kernels)
    plain = SQUARE._replace(run=lambda on, paint, n: on.package.nets.dense.dense(on.put(np.ones((3, 2))),
                                                                                 on.put(painted(paint,
                                                                                                (n, 2)))))
    compare(plain, on, 7)
    with pytest.raises(AssertionError, match="no kernel was launched"):
        compare(plain, on._replace(kernels=True), 7)


def test_only_cases_that_say_so_run_with_kernels():
    on = ON_A_DEVICE[0]
    assert not SQUARE.runs_on(on._replace(kernels=True))
    assert SQUARE._replace(kernels=True).runs_on(on._replace(kernels=True))
    assert SQUARE.runs_on(on) and not SQUARE._replace(dtypes=()).runs_on(on)
