"""The stand-in refuses what CuPy refuses, and what CuPy would let pass to do something else than NumPy."""
import copy
import json
import operator
import pathlib
import pickle

import numpy as np
import pytest

from tests import strict_cupy
from tests.agreement.backends import uses_cuda
from tests.strict_cupy import StrictError, capture, counted

pytestmark = pytest.mark.skipif(uses_cuda(), reason="the real CuPy is in this process")


@pytest.fixture(scope="module")
def cp():
    return strict_cupy.install()


@pytest.fixture
def x(cp):
    """[[0, 1], [2, 3], [4, 5]] in float32, on the device."""
    return cp.asarray(np.arange(6, dtype=np.float32).reshape(3, 2))


@pytest.fixture(autouse=True)
def no_capture_left_open():
    yield
    capture.device.capturing = None


HOST = np.ones((3, 2), np.float32)


# Installing


def test_install_puts_one_module_in_place_of_cupy(cp):
    import cupy
    import cupyx.scipy.special
    assert cupy is cp is strict_cupy.install()
    assert cp.ndarray.__module__ == "cupy" and cp.__name__ == "cupy" and cp.__version__.startswith("14.2")
    assert cupyx.scipy.special.ndtr(cp.zeros(1)).get() == 0.5


def test_accel_takes_it_for_cupy(cp, x):
    from accel import device
    assert device.array_module(x) is cp and device.array_module(HOST) is np
    assert np.array_equal(device.to_host({"x": x})["x"], x.get())


def test_a_program_that_looks_for_a_gpu_does_not_find_it(cp, monkeypatch):
    from accel import device
    monkeypatch.delenv("DIPTYCH_DEVICE", raising=False)
    assert not cp.cuda.is_available() and device.module() is np
    with pytest.raises(RuntimeError, match="finds no NVIDIA driver"):
        device.module("cuda")


def test_custom_kernels_but_raw_modules_are_not_imitated(cp):
    for name in ("RawKernel", "ElementwiseKernel", "ReductionKernel"):
        with pytest.raises(AttributeError, match="does not imitate"):
            getattr(cp, name)


# Host and device do not mix


@pytest.mark.parametrize("convert",
                         [np.asarray, np.array, lambda x: np.array([x[0], x[1]]), lambda x: HOST[x[:, 0] > 0],
                          lambda x: np.copyto(HOST.copy(), x), lambda x: HOST.copy().__setitem__(0, x[0]),
                          memoryview, lambda x: np.linalg.norm([x])])
def test_implicit_conversion_is_refused(x, convert):
    with pytest.raises(TypeError):
        convert(x)


@pytest.mark.parametrize("mix",
                         [lambda cp, x, h: x + h, lambda cp, x, h: h + x, lambda cp, x, h: x * h[0],
                          lambda cp, x, h: h[0] / x, lambda cp, x, h: x > h, lambda cp, x, h: h == x,
                          lambda cp, x, h: x @ h.T, lambda cp, x, h: h.T @ x, lambda cp, x, h: x + [1.0, 2.0],
                          lambda cp, x, h: [1.0, 2.0] * x, lambda cp, x, h: x.__iadd__(h),
                          lambda cp, x, h: x + np.ones(())], ids=lambda _: "operator")
def test_host_arrays_and_lists_are_refused_by_operators(cp, x, mix):
    with pytest.raises(TypeError):
        mix(cp, x, HOST)


@pytest.mark.parametrize("mix",
                         [lambda cp, x, h: cp.add(x, h), lambda cp, x, h: cp.add([1.0], x),
                          lambda cp, x, h: np.add(h, x), lambda cp, x, h: cp.exp(h),
                          lambda cp, x, h: cp.maximum(x, [1.0, 2.0]),
                          lambda cp, x, h: np.add.outer(h[0], x[0]), lambda cp, x, h: cp.matmul(x, h.T)],
                         ids=lambda _: "ufunc")
def test_host_arrays_and_lists_are_refused_by_ufuncs(cp, x, mix):
    with pytest.raises(TypeError):
        mix(cp, x, HOST)


@pytest.mark.parametrize(
    "mix",
    [lambda cp, x, h: cp.sum(h), lambda cp, x, h: cp.sum([1.0, 2.0]), lambda cp, x, h: cp.mean(1.0),
     lambda cp, x, h: cp.concatenate([x, h]), lambda cp, x, h: cp.stack([x, h]),
     lambda cp, x, h: cp.stack([1.0, 2.0]), lambda cp, x, h: np.concatenate([x, h]),
     lambda cp, x, h: cp.where(x > 0, x, h), lambda cp, x, h: cp.where(x > 0, x, [1.0, 2.0]),
     lambda cp, x, h: cp.dot(x, h.T), lambda cp, x, h: x.dot(h.T), lambda cp, x, h: cp.linalg.norm(h),
     lambda cp, x, h: cp.linalg.solve(x[:2], h[:2]), lambda cp, x, h: cp.squeeze(h),
     lambda cp, x, h: cp.broadcast_to(h[0], (3, 2)), lambda cp, x, h: cp.searchsorted(x[:, 0], h[:, 0]),
     lambda cp, x, h: cp.ascontiguousarray(h), lambda cp, x, h: cp.zeros_like(h),
     lambda cp, x, h: cp.full((3, 2), h), lambda cp, x, h: cp.copyto(x, h),
     lambda cp, x, h: cp.meshgrid(h[0], h[0]), lambda cp, x, h: cp.clip(x, h, None),
     lambda cp, x, h: cp.array([x[0], h[0]]), lambda cp, x, h: cp.array([x[0, 0], 1.0])],
    ids=lambda _: "function")
def test_host_arrays_and_lists_are_refused_by_functions(cp, x, mix):
    with pytest.raises(TypeError):
        mix(cp, x, HOST)


@pytest.mark.parametrize(
    "write",
    [lambda cp, x, h: cp.exp(x, out=h), lambda cp, x, h: np.exp(x, out=h),
     lambda cp, x, h: cp.sum(x, axis=0, out=h[0]), lambda cp, x, h: x.sum(axis=0, out=h[0]),
     lambda cp, x, h: cp.matmul(x, x.T, out=np.ones((3, 3), np.float32)), lambda cp, x, h: np.exp(h, out=x),
     lambda cp, x, h: cp.random.default_rng(0).random(out=h)])
def test_out_must_be_a_device_array(cp, x, write):
    with pytest.raises(TypeError):
        write(cp, x, HOST.copy())


@pytest.mark.parametrize("need",
                         [lambda cp, n: cp.zeros(n), lambda cp, n: cp.zeros((3, n)),
                          lambda cp, n: cp.ones(6).reshape(n, -1), lambda cp, n: cp.eye(n),
                          lambda cp, n: cp.sum(cp.ones(3), axis=n), lambda cp, n: range(n),
                          lambda cp, n: [1, 2, 3][n], lambda cp, n: np.arange(4)[n]])
def test_a_device_number_is_no_shape_axis_or_host_index(cp, need):
    with pytest.raises(TypeError):
        need(cp, cp.asarray(2))


def test_assigning_host_data_is_refused(cp, x):
    for index, value in ((0, HOST[0]), (slice(None), HOST), (0, [1.0, 2.0]), (cp.asarray([0, 1]), HOST[:2])):
        with pytest.raises(ValueError, match="cannot be used for fill"):
            x[index] = value
    x[0] = np.float32(7)
    x[1, 1] = 8.0
    assert np.array_equal(x.get(), [[7, 7], [2, 8], [4, 5]])


def test_set_takes_a_host_array_of_the_same_type_and_shape(cp, x):
    x.set(HOST)
    assert np.array_equal(x.get(), HOST)
    for wrong, error in ((HOST.astype(float), TypeError), ([1, 2], TypeError), (HOST[:2], ValueError)):
        with pytest.raises(error):
            x.set(wrong)


def test_uploads_never_alias_and_downloads_are_copies(cp):
    host = np.zeros(3)
    there = cp.asarray(host)
    there += 1
    there.get()[:] = 5
    assert np.array_equal(host, [0, 0, 0]) and np.array_equal(there.get(), [1, 1, 1])


# Names and signatures are CuPy's


@pytest.mark.parametrize("name",
                         ["block", "vecdot", "matvec", "vecmat", "unstack", "geomspace", "insert",
                          "einsum_path", "nanpercentile", "nanquantile", "errstate", "frompyfunc",
                          "histogram_bin_edges", "spacing", "nditer", "longdouble", "float128", "nosuch"])
def test_names_that_cupy_lacks(cp, name):
    with pytest.raises(AttributeError):
        getattr(cp, name)


@pytest.mark.parametrize("name",
                         ["vector_norm", "matrix_norm", "multi_dot", "svdvals", "vecdot", "diagonal", "outer",
                          "trace"])
def test_names_that_its_linalg_lacks(cp, name):
    with pytest.raises(AttributeError):
        getattr(cp.linalg, name)


@pytest.mark.parametrize("name", ["ctypes", "resize", "setflags", "to_device", "itemset", "nosuch"])
def test_members_that_its_array_lacks(x, name):
    with pytest.raises(AttributeError):
        getattr(x, name)


def test_other_names_that_cupy_lacks(cp, x):
    import cupyx.scipy.special
    with pytest.raises(AttributeError):
        cupyx.scipy.special.nosuch  # noqa: B018
    with pytest.raises(AttributeError):
        x.flags.writeable  # noqa: B018
    with pytest.raises(AttributeError):
        x.note = "arrays take no attributes"
    with pytest.raises(TypeError):
        np.nanquantile(x, 0.5)


@pytest.mark.parametrize(
    "call",
    [lambda cp, x: cp.sum(x, where=x > 0), lambda cp, x: cp.sum(x, initial=0), lambda cp, x: x.max(initial=0),
     lambda cp, x: x.mean(where=x > 0), lambda cp, x: cp.exp(x, where=x > 0),
     lambda cp, x: np.exp(x, where=HOST > 0), lambda cp, x: cp.einsum("ij->i", x, out=x[:, 0]),
     lambda cp, x: cp.sort(x, order=None), lambda cp, x: cp.sort(x, stable=True),
     lambda cp, x: cp.argsort(x, stable=True), lambda cp, x: cp.var(x, correction=1),
     lambda cp, x: cp.clip(x, min=0), lambda cp, x: cp.take(x, cp.asarray([0]), mode="clip"),
     lambda cp, x: x.astype("f8", casting="safe"), lambda cp, x: x.item(0),
     lambda cp, x: cp.meshgrid(x[0], order="C")])
def test_keywords_that_cupy_lacks(cp, x, call):
    with pytest.raises(TypeError):
        call(cp, x)


def test_required_arguments_are_cupys(cp, x):
    with pytest.raises(TypeError, match="axis"):
        cp.take_along_axis(x, cp.asarray([[0], [1], [0]]))
    with pytest.raises(TypeError, match="a_max"):
        cp.clip(x, 0)


def test_a_position_that_means_something_else_is_refused(cp, x):
    with pytest.raises(StrictError, match="'dtype'"):
        cp.argmax(x, 0, None)


def test_ufuncs_reduce_only_where_cupy_does(cp, x):
    assert np.array_equal(np.add.reduce(x).get(), [6, 9])
    assert np.array_equal(np.multiply.accumulate(x)[-1].get(), [0, 15])
    for refused in (np.maximum.reduce, np.logaddexp.accumulate):
        with pytest.raises(NotImplementedError):
            refused(x)
    with pytest.raises(NotImplementedError):
        np.multiply.at(x, 0, 2.0)


def test_the_generator_has_the_methods_that_cupys_has(cp):
    rng = cp.random.default_rng(0)
    for name in ("beta", "binomial", "chisquare", "dirichlet", "exponential", "f", "gamma", "geometric",
                 "hypergeometric", "integers", "logseries", "poisson", "power", "random",
                 "standard_exponential", "standard_gamma", "standard_normal", "uniform"):
        assert callable(getattr(rng, name))
    for name in ("normal", "choice", "permutation", "permuted", "shuffle", "standard_t",
                 "multivariate_normal", "laplace", "bytes", "spawn", "bit_generator"):
        with pytest.raises(AttributeError):
            getattr(rng, name)
    with pytest.raises(TypeError):
        rng.binomial(3, 0.5, dtype="i4")
    with pytest.raises(TypeError):
        pickle.dumps(rng)


def test_draws_are_device_arrays_in_the_type_asked_for(cp):
    rng = cp.random.default_rng(5)
    drawn = rng.standard_normal((3, 2), dtype="float32")
    assert isinstance(drawn, cp.ndarray) and drawn.dtype == np.float32 and drawn.shape == (3, 2)
    assert isinstance(rng.random(), cp.ndarray) and rng.random().shape == ()
    whole = rng.integers(2, 5, size=(100,))
    assert whole.dtype == np.int64 and set(whole.tolist()) == {2, 3, 4}
    out = cp.zeros(4, "float32")
    assert rng.random(dtype="float32", out=out) is out and (out > 0).all()
    assert np.array_equal(cp.random.default_rng(5).standard_normal((3, 2), dtype="float32").get(),
                          drawn.get())
    assert not np.array_equal(rng.random(3).get(),
                              np.random.default_rng(5).random(3)), "a device draws from another stream"


def test_draws_from_a_hidden_state_are_refused(cp):
    with pytest.raises(StrictError):
        cp.random.normal(size=3)
    with pytest.raises(AttributeError):
        cp.random.PCG64  # noqa: B018


# Types


@pytest.mark.parametrize("make",
                         [lambda cp: cp.asarray(np.array(["a"])), lambda cp: cp.zeros(3, object),
                          lambda cp: cp.zeros(3, "g"), lambda cp: cp.zeros(3, "M8[s]"),
                          lambda cp: cp.ones(3).astype(object), lambda cp: cp.empty(3, "U1"),
                          lambda cp: cp.ones(3).astype(np.longdouble), lambda cp: cp.asarray([None])])
def test_types_that_a_gpu_cannot_store(cp, make):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        make(cp)


def test_reductions_and_single_numbers_stay_on_the_device(cp, x):
    for number in (x.sum(), x[0, 0], cp.max(x), cp.linalg.norm(x), np.mean(x), cp.allclose(x, x),
                   cp.array_equal(x, x), x.argmax(), cp.count_nonzero(x), cp.vdot(x, x), cp.sqrt(2.0),
                   cp.trace(x[:2])):
        assert isinstance(number, cp.ndarray) and number.shape == ()


def test_numpys_functions_return_device_arrays(cp, x):
    for result in (np.tanh(x), np.sum(x, axis=0), np.concatenate([x, x]), np.linalg.norm(x),
                   np.linalg.inv(x[:2]), np.where(x > 1, x, 0.0)):
        assert isinstance(result, cp.ndarray)
    assert cp.get_array_module(x, HOST) is cp and cp.get_array_module(HOST) is np


@pytest.mark.parametrize(("operand", "expected"),
                         [(2, "f4"), (2.0, "f4"), (True, "f4"), (np.float32(2), "f4"), (np.float64(2), "f8"),
                          (np.int64(2), "f8"), (2j, "c8")])
def test_python_numbers_adapt_and_numpy_numbers_do_not(x, operand, expected):
    assert (x * operand).dtype == (operand * x).dtype == np.add(x, operand).dtype == np.dtype(expected)


def test_integers_become_floats_as_in_cupy(cp):
    whole = cp.arange(4)
    assert (whole / 2).dtype == np.float64 and cp.sqrt(whole).dtype == np.float64
    assert (whole + 0.5).dtype == np.float64
    assert (whole**2).dtype == np.int64 and cp.floor(whole).dtype == np.int64
    with pytest.raises(TypeError):
        whole += 0.5


def test_a_leak_to_float64_is_counted(cp, x):
    with counted() as spent:
        x * 2.0, x + x, cp.sum(x)
    assert spent["upcast"] == 0
    with counted() as spent:
        x * np.float64(2), cp.add(x, cp.ones(2)), cp.sum(x, dtype="f8")
    assert spent["upcast"] == 3


def test_special_functions_keep_the_type(cp, x):
    from cupyx.scipy import special
    for name in ("erf", "erfinv", "ndtr", "log_ndtr", "ndtri", "expit", "log_expit", "logit", "gammaln",
                 "digamma"):
        assert getattr(special, name)(x / 10).dtype == np.float32, name
    assert isinstance(special.logsumexp(x, axis=1), cp.ndarray)


# Synchronisation and transfers are counted


@pytest.mark.parametrize("wait",
                         [lambda cp, x: float(x[0, 0]), lambda cp, x: bool(x[0, 0] > 0),
                          lambda cp, x: int(x[0, 0]), lambda cp, x: x.get(), lambda cp, x: x[0, 0].item(),
                          lambda cp, x: x.tolist(), lambda cp, x: f"{x[0, 0]:.1f}",
                          lambda cp, x: cp.asnumpy(x), lambda cp, x: x[x > 0], lambda cp, x: cp.nonzero(x),
                          lambda cp, x: cp.where(x > 0), lambda cp, x: cp.unique(x), lambda cp, x: repr(x),
                          lambda cp, x: cp.cuda.Stream.null.synchronize(),
                          lambda cp, x: cp.linspace(x[0, 0], 1, 3)])
def test_waiting_for_the_device_counts_as_sync(cp, x, wait):
    with counted() as spent:
        wait(cp, x)
    assert spent["sync"] == 1


def test_a_branch_on_a_device_number_counts_as_sync(cp, x):
    with counted() as spent:
        taken = "yes" if x[1, 1] > 0 else "no"
    assert taken == "yes" and spent["sync"] == 1


def test_arithmetic_does_not_wait(cp, x):
    with counted() as spent:
        y = cp.where(x > 1, cp.exp(-x), 0.0) @ x.T
        y[0] += y.sum(axis=0)
        cp.linalg.eigh(y @ y.T), cp.take_along_axis(x, x.argmax(axis=1)[:, None], axis=1), cp.array_equal(x,
                                                                                                          x)
    assert spent["sync"] == spent["upload"] == 0 and spent["launch"] > 10


@pytest.mark.parametrize("upload",
                         [lambda cp, x: cp.asarray(HOST), lambda cp, x: cp.array([1.0, 2.0]),
                          lambda cp, x: x.set(HOST), lambda cp, x: x[[0, 1]],
                          lambda cp, x: x[np.array([0, 1])], lambda cp, x: cp.take(x, np.array([0])),
                          lambda cp, x: cp.einsum("i,ji->j", HOST[0], x)])
def test_uploads_are_counted(cp, x, upload):
    with counted() as spent:
        upload(cp, x)
    assert spent["upload"] == 1 and spent["sync"] == 0


def test_metadata_is_free(cp, x):
    with counted() as spent:
        assert (x.shape, x.ndim, x.size, x.dtype, len(x), x.nbytes) == ((3, 2), 2, 6, np.float32, 3, 24)
        assert (cp.shape(x), cp.ndim(x), cp.size(x)) == ((3, 2), 2, 6) and not cp.isscalar(x[0, 0])
        assert cp.result_type(x, np.float64) == np.float64
        assert x.flags.c_contiguous and x.T.flags["F_CONTIGUOUS"]
        assert x.T.shape == x.reshape(2, 3).shape == (2, 3) and x[:2].base is not None
    assert not any(spent.values())


# Views, copies, writing in place


def test_slices_are_views(cp, x):
    column = x[:, 1]
    column += 10
    x.T[0] *= 2
    x.reshape(-1)[0] = 99
    first = x[0]
    first[...] = -first
    assert np.array_equal(x.get(), [[-99, -11], [4, 13], [8, 15]])
    assert np.array_equal(x[::-1, None, 0].get(), [[8], [4], [-99]])


def test_a_single_number_is_a_view_too(cp):
    x = cp.zeros(3)
    number = x[1]
    number += 5
    assert np.array_equal(x.get(), [0, 5, 0])


def test_index_arrays_make_copies(cp, x):
    for index in (cp.asarray([0, 1]), cp.asarray(0), x[:, 0] < 100):
        picked = x[index]
        picked += 100
    assert np.array_equal(x.get(), np.arange(6).reshape(3, 2))


def test_operators_in_place_write_the_buffer(cp, x):
    same = x
    for change, number in ((operator.iadd, 1), (operator.isub, 0.5), (operator.imul, 4),
                           (operator.itruediv, 2), (operator.ifloordiv, 1), (operator.ipow, 2),
                           (operator.imod, 7)):
        x = change(x, number)
    expected = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert same is x and np.array_equal(x.get(), (((expected + 0.5) * 2) // 1) ** 2 % 7)
    bits = cp.asarray([1, 2, 3])
    bits &= 3
    bits |= 4
    bits <<= 1
    assert np.array_equal(bits.get(), [10, 12, 14])


def test_out_is_written_and_returned(cp, x):
    for call in (lambda out: cp.exp(x, out=out), lambda out: np.exp(x, out=out), lambda out: cp.exp(x, out),
                 lambda out: cp.exp(x, out=(out,))):
        out = cp.empty_like(x)
        assert call(out) is out and np.array_equal(out.get(), np.exp(x.get()))
    total = cp.empty(2, "f4")
    assert cp.sum(x, axis=0, out=total) is total
    assert x.sum(0, None, total) is total and np.array_equal(total.get(), [6, 9])
    product = cp.empty((4, 4), "f4")
    view = product[1:, 1:]
    assert cp.matmul(x, x.T, out=view) is view and np.array_equal(product[1:, 1:].get(), x.get() @ x.get().T)
    with pytest.raises(TypeError):
        cp.add(x, 0.5, out=cp.zeros((3, 2), int))
    with pytest.raises(ValueError):
        cp.add(x, x, out=cp.zeros((2,), "f4"))


def test_an_in_place_product_is_refused(x):
    with pytest.raises(StrictError, match="rebinds"):
        x @= x.T


def test_memory_that_nobody_wrote_is_garbage(cp, x):
    assert np.isnan(cp.empty(3).get()).all() and np.isnan(cp.empty_like(x).get()).all()
    assert np.isnan(cp.ndarray((2,)).get()).all()
    assert (cp.empty(3, int).get() == 77).all()


def test_copying_and_pickling(cp, x):
    for again in (x.copy(), copy.copy(x), copy.deepcopy({"x": x})["x"], pickle.loads(pickle.dumps(x)),
                  cp.array(x)):
        again += 1
        assert isinstance(again, cp.ndarray)
    assert x[0, 0].get() == 0 and cp.asarray(x) is x
    assert x.astype("f4", copy=False) is x and cp.asarray(x, "f8") is not x


def test_methods_that_sort_in_place(cp):
    x = cp.asarray([3.0, 1.0, 2.0])
    assert x.sort() is None and np.array_equal(x.get(), [1, 2, 3])


# What is undefined or different on a GPU


def test_an_index_out_of_range_is_refused(cp, x):
    for index in (cp.asarray([5]), cp.asarray(-4), [3], 3, (cp.asarray([0]), cp.asarray([2]))):
        with pytest.raises(IndexError):
            x[index]
    with pytest.raises(IndexError):
        x[cp.asarray([7])] = 1.0
    for gather in (lambda: cp.take(x, cp.asarray([9]), axis=0),
                   lambda: cp.take_along_axis(x, cp.asarray([[2]] * 3), axis=1),
                   lambda: cp.put(x, cp.asarray([6]), 1.0)):
        with pytest.raises(IndexError):
            gather()


def test_two_values_for_one_place_are_refused(cp, x):
    twice, values = cp.asarray([0, 0]), cp.ones((2, 2), "f4")
    for write in (lambda: x.__setitem__(twice, values), lambda: x.__setitem__(cp.asarray([0, -3]), values),
                  lambda: x.__setitem__((twice, cp.asarray([1, 1])), values[0]),
                  lambda: cp.put(x, twice, values[0]), lambda: x.put(twice, values[0]),
                  lambda: cp.put_along_axis(x, cp.asarray([[1, 1]] * 3), cp.ones((3, 2), "f4"), axis=1)):
        with pytest.raises(StrictError, match="duplicate"):
            write()
    x[twice] = 7.0
    x[twice, cp.asarray([0, 1])] = cp.asarray([8.0, 9.0], dtype="f4")
    assert np.array_equal(x[0].get(), [8, 9])


def test_adding_twice_at_one_place_is_defined(cp, x):
    import cupyx
    twice = cp.asarray([0, 0])
    np.add.at(x, twice, 1.0)
    cp.add.at(x, twice, cp.ones((2, 2), "f4"))
    cupyx.scatter_add(x, twice, 1.0)
    x.scatter_add((twice, twice), cp.ones(2, "f4"))
    assert np.array_equal(x[0].get(), [8, 7])
    np.maximum.at(x, cp.asarray([1]), 50.0)
    assert np.array_equal(x[1].get(), [50, 50])
    with pytest.raises(TypeError):
        cp.add.at(cp.zeros(3, "i2"), twice, 1)


def test_a_view_as_a_numpy_array_is_refused(x):
    with pytest.raises(StrictError, match="reinterprets"):
        x.view(np.ndarray)


def test_a_solver_that_fails_in_silence_is_refused(cp):
    import cupyx
    singular = cp.zeros((2, 2))
    for solve in (cp.linalg.inv, cp.linalg.cholesky, lambda a: cp.linalg.solve(a, cp.ones(2)), np.linalg.inv):
        with pytest.raises(StrictError, match="mean nothing"):
            solve(singular)
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError):
        cp.linalg.cholesky(singular)
    with pytest.raises(np.linalg.LinAlgError):
        cp.linalg.inv(cp.zeros((2, 3)))


# CUDA graphs


def test_a_capture_records_and_a_launch_replays(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    x, w, total = cp.ones(4, "f4"), cp.full(4, 2, "f4"), cp.zeros((), "f4")
    with stream:
        stream.begin_capture()
        y = cp.tanh(x * w)
        total += y.sum()
        w -= 0.1 * y
        graph = stream.end_capture()
    assert float(total) == 0 and np.isnan(y.get()).all() and (w.get() == 2).all(), (
        "nothing runs while capturing")
    graph.launch()
    x[...] = cp.full(4, 3, "f4")
    graph.launch(stream)
    expected_w, expected = np.full(4, 2, np.float32), np.float32(0)
    for value in (1, 3):
        step = np.tanh(np.float32(value) * expected_w)
        expected, expected_w = expected + step.sum(), expected_w - np.float32(0.1) * step
    assert np.allclose(w.get(), expected_w, rtol=1e-6) and np.allclose(float(total), expected, rtol=1e-6)


def test_a_replay_fills_every_kind_of_output(cp):
    stream, x = cp.cuda.Stream(), cp.asarray([3.0, 1.0, 2.0])
    rows, out = cp.zeros((2, 3)), cp.zeros(3)
    with stream:
        stream.begin_capture()
        whole, rest = cp.divmod(x, 2.0)
        rows[1] = x
        picked = x[cp.arange(3)[::-1]]
        cp.add(x, 1, out=out)
        sorted_x = x.copy()
        sorted_x.sort()
        graph = stream.end_capture()
    assert (rows.get() == 0).all() and (out.get() == 0).all()
    x[...] = cp.asarray([5.0, 4.0, 9.0])
    graph.launch()
    assert np.array_equal(whole.get(), [2, 2, 4]) and np.array_equal(rest.get(), [1, 0, 1])
    assert np.array_equal(rows.get(), [[0, 0, 0], [5, 4, 9]]) and np.array_equal(picked.get(), [9, 4, 5])
    assert np.array_equal(out.get(), [6, 5, 10]) and np.array_equal(sorted_x.get(), [4, 5, 9])


def test_draws_on_the_device_are_captured(cp):
    stream, rng = cp.cuda.Stream(), cp.random.default_rng(0)
    with stream:
        stream.begin_capture()
        drawn = rng.standard_normal(5)
        graph = stream.end_capture()
    graph.launch()
    first = drawn.get()
    graph.launch()
    assert np.isfinite(first).all() and not np.array_equal(first, drawn.get()), (
        "the state lives on the device and advances")


@pytest.mark.parametrize(
    ("forbidden", "error"),
    [(lambda cp, x: x @ x.T, NotImplementedError), (lambda cp, x: cp.dot(x, x.T), NotImplementedError),
     (lambda cp, x: cp.einsum("ij,ij", x, x), NotImplementedError),
     (lambda cp, x: cp.linalg.inv(x[:2]), NotImplementedError),
     (lambda cp, x: x.dot(x.T), NotImplementedError), (lambda cp, x: cp.random.rand(3), NotImplementedError),
     (lambda cp, x: float(x[0, 0]), RuntimeError), (lambda cp, x: x.get(), RuntimeError),
     (lambda cp, x: bool(x[0, 0] > 0), RuntimeError), (lambda cp, x: x[x > 0], RuntimeError),
     (lambda cp, x: cp.where(x > 0), RuntimeError), (lambda cp, x: cp.asarray(HOST), RuntimeError),
     (lambda cp, x: x.set(HOST), RuntimeError), (lambda cp, x: x[[0, 1]], RuntimeError),
     (lambda cp, x: cp.asarray(1.0), RuntimeError),
     (lambda cp, x: cp.random.default_rng(0).uniform(0, 1, 3), RuntimeError),
     (lambda cp, x: cp.cuda.Stream().synchronize(), RuntimeError),
     (lambda cp, x: cp.cuda.Stream().begin_capture(), RuntimeError)])
def test_what_a_capture_forbids(cp, x, forbidden, error):
    stream = cp.cuda.Stream()
    with stream:
        stream.begin_capture()
        try:
            with pytest.raises(error):
                forbidden(cp, x)
        finally:
            stream.end_capture()


def test_elementwise_work_and_reductions_may_be_captured(cp, x):
    stream = cp.cuda.Stream()
    with stream:
        stream.begin_capture()
        cp.exp(x).sum(axis=0), cp.linalg.norm(x), x[1:].T, cp.take(x, cp.arange(2), axis=0), cp.fft.rfft(x[:,
                                                                                                           0])
        assert cp.exp(x).shape == (3, 2)
        stream.end_capture()


def test_the_default_stream_cannot_capture(cp):
    with pytest.raises(RuntimeError, match="default"):
        cp.cuda.Stream.null.begin_capture()
    with pytest.raises(RuntimeError):
        cp.cuda.Stream().end_capture()


def test_work_on_another_stream_is_not_captured(cp, x):
    stream = cp.cuda.Stream()
    stream.begin_capture()
    try:
        with pytest.raises(StrictError, match="another stream"):
            x + 1
    finally:
        stream.end_capture()


# The manifest


def read_manifest():
    return json.loads(pathlib.Path(strict_cupy.__file__).with_name("manifest.json").read_text())


def test_the_manifest_holds_what_the_wheel_has():
    manifest = read_manifest()
    assert manifest["version"] == "14.2.0"
    sizes = {"cupy": 453, "linalg": 23, "random": 57, "special": 108, "ndarray": 74, "Generator": 18}
    assert {section: len(manifest[section]) for section in sizes} == sizes


@pytest.mark.filterwarnings("ignore:non-integer", "ignore:floating point number truncated")
def test_every_ufunc_of_the_manifest_runs_in_float32(cp):
    """Each loop that takes float32 alone returns the type that the manifest says."""
    import scipy.special
    from cupyx.scipy import special
    manifest, ran = read_manifest(), 0
    for section, module, host in (("cupy", cp, np), ("special", special, scipy.special)):
        for name, entry in manifest[section].items():
            loop = next((t for t in entry.get("types", []) if set(t.partition("->")[0]) == {"f"}), None)
            if loop is None or not hasattr(host, name):
                continue
            nin = entry["ufunc"][0]
            results = getattr(module, name)(*[cp.full(3, 0.5, "f4")] * nin)
            results = results if isinstance(results, tuple) else (results,)
            assert "".join(r.dtype.char for r in results) == loop.partition("->")[2], name
            ran += 1
    assert ran > 120
