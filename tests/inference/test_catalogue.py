"""Catalogues: summaries against posteriors known in closed form, flags, memory, tables and devices."""
import tempfile
import tracemalloc

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from accel import device
from tests import strict_cupy
from tests.agreement.comparator import assert_close
from tests.support.catalogues import FACTOR, SLOPE, exact, same, sky

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


@BOTH
def test_a_normal_posterior_is_summarised(package, seed):
    x, n, p = sky(60), 4000, np.array([0.05, 0.5, 0.84])
    found = package.inference.catalogue.summarise(exact(package, shift=0.7), x, seed=seed, n_samples=n,
                                                  quantiles=p)
    mean, covariance = x @ SLOPE + 0.7, FACTOR @ FACTOR.T
    std = np.sqrt(np.diag(covariance))
    z = (found.mean - mean) / (std / np.sqrt(n))
    assert np.abs(z).max() < 5 and abs(np.mean(z**2) - 1) < 5 * np.sqrt(2 / z.size)
    errors = np.sqrt((np.outer(std**2, std**2) + covariance**2) / n)
    assert np.abs((found.covariance - covariance) / errors).max() < 5
    normal = stats.norm.ppf(p)
    errors = np.sqrt(p * (1 - p) / n) / stats.norm.pdf(normal)
    z = ((found.quantiles - mean[:, None]) / std - normal[:, None]) / errors[:, None]
    assert np.abs(z).max() < 5 and abs(np.mean(z**2) - 1) < 0.5
    # a control: a fiftieth of a standard deviation is seen
    off = (found.mean - mean - 0.02 * std) / (std / np.sqrt(n))
    assert abs(np.mean(off)) > 5 / np.sqrt(off.size)


@BOTH
@pytest.mark.parametrize("n", [2, 3, 10, 257])
def test_summaries_are_numpys(package, n):
    theta = np.random.default_rng(n).standard_exponential((4, n, 3))
    found = package.inference.catalogue.summary(theta, (0.01, 0.5, 0.9))
    for i in range(4):
        assert_close(found.mean[i], np.mean(theta[i], axis=0), terms=n)
        assert_close(found.covariance[i], np.cov(theta[i].T), terms=n)
        assert_close(found.quantiles[i], np.quantile(theta[i], (0.01, 0.5, 0.9), axis=0))


@BOTH
def test_flags_say_what_is_wrong(package):
    catalogue, x = package.inference.catalogue, sky(9)
    x[2, 1], x[4, 0], x[6], x[8] = np.nan, -np.inf, [0.0, 9.0, 0.0], 1e200
    posterior = exact(package)
    found = catalogue.summarise(posterior, x, seed=0, n_samples=50)
    assert found.flag.dtype == np.uint8
    assert found.flag[2] == found.flag[4] == catalogue.BAD_INPUT and found.flag[6] == catalogue.FAR
    assert found.flag[8] == catalogue.FAR + catalogue.BAD_RESULT, "its covariance overflows"
    assert not found.flag[[0, 1, 3, 5, 7]].any()
    assert_close(found.distance[[0, 6]], posterior.distance(x[[0, 6]]), terms=10)
    for field in found[:-1]:
        assert np.isnan(field[[2, 4]]).all() and np.isfinite(field[[0, 1, 3, 5, 6, 7]]).all()
    with pytest.warns(UserWarning, match="without its training domain, so that no object is flagged as far"):
        blind = catalogue.summarise(exact(package, domain=False), x, seed=0, n_samples=50)
    assert np.isnan(blind.distance).all() and blind.flag[6] == 0
    assert np.array_equal(blind.mean, found.mean, equal_nan=True)


class Recorded:
    """A table as a file format gives it: rows when it is sliced, and nothing else."""

    def __init__(self, x):
        self._x, self.shape, self.ndim, self.most = x, x.shape, x.ndim, 0

    def __len__(self):
        return len(self._x)

    def __getitem__(self, rows):
        self.most = max(self.most, len(self._x[rows]))
        return self._x[rows]


@BOTH
def test_what_a_table_may_be(package, tmp_path):
    catalogue, posterior, x = package.inference.catalogue, exact(package), np.round(sky(50) * 4)
    expected = catalogue.summarise(posterior, x, seed=0, n_samples=8)
    np.save(tmp_path / "x.npy", x)
    table = Recorded(x)
    for given in (np.load(tmp_path / "x.npy", mmap_mode="r"), x.astype(">f4"), x.astype(np.int16), x.tolist(),
                  np.ma.array(x), table,
                  np.asfortranarray(x)):
        same(catalogue.summarise(posterior, given, seed=0, n_samples=8, chunk_size=10), expected)
    assert table.most == 10
    single = catalogue.summarise(exact(package, dtype=np.float32), x, seed=0, n_samples=8)
    assert single.mean.dtype == single.quantiles.dtype == single.distance.dtype == np.float32


@BOTH
def test_memory_is_flat(package, tmp_path):
    def peak(n):
        np.save(tmp_path / "x.npy", sky(n))
        x, posterior = np.load(tmp_path / "x.npy", mmap_mode="r"), exact(package)
        package.inference.catalogue.summarise(posterior, x[:50], seed=0, n_samples=1000, chunk_size=50)
        tracemalloc.start()
        try:
            package.inference.catalogue.summarise(posterior, x, seed=0, n_samples=1000, chunk_size=50,
                                                  out=tmp_path / str(n))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak(400) - peak(100) < 0.1 * 300 * 1000 * 2 * 8           # of what the draws would take


@BOTH
def test_progress_is_shown_on_request(package, capsys):
    package.inference.catalogue.summarise(exact(package), sky(12), seed=0, n_samples=4, progress=True)
    assert "12.0/12.0" in capsys.readouterr().err


@BOTH
@pytest.mark.parametrize(("x", "settings", "message"), [
    (np.zeros((0, 3)), {}, "x: number of rows: expected a whole number of at least 1, got 0"),
    (np.zeros((4, 2)), {}, r"x: expected shape \(N, 3\), got \(0, 2\)"),
    (np.zeros(3), {}, r"x: expected shape \(N, 3\)"),
    (np.zeros((4, 3), np.float16), {}, "x: expected real numbers in float64 or float32, got dtype float16"),
    ([["a", "b", "c"]], {}, "x: expected real"), (np.ma.masked_less(np.zeros((4, 3)), 1), {},
                                                  "x: expected an array without masked"),
    (np.zeros((4, 3)), {"n_samples": 1}, "n_samples: expected a whole number of at least 2, got 1"),
    (np.zeros((4, 3)), {"quantiles": (0.5, 1.0)},
     r"quantiles: expected numbers strictly between 0 and 1, got \[0.5, 1.0\]"),
    (np.zeros((4, 3)), {"quantiles": ()}, "quantiles: "),
    (np.zeros((4, 3)), {"chunk_size": 0}, "chunk_size: "),
    (np.zeros((4, 3)), {"seed": 2**64}, "seed: "), (np.zeros((4, 3)), {"first": -1}, "first: "),
])
def test_bad_input_is_named(package, x, settings, message):
    with pytest.raises(ValueError, match=message):
        package.inference.catalogue.summarise(exact(package), x, **{"seed": 0, **settings})


@pytest.fixture
def cp():
    return strict_cupy.install()


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.kernels)], ids=["array code", "kernels"])
def there(request, cp):
    """A posterior on the stand-in, in array code and with kernels."""
    if request.param and not strict_cupy.COMPILER:
        pytest.skip("kernels run on the CPU through g++, which is not installed")
    with device.kernels(request.param):
        yield device.put(exact(accel, flow=1), cp)


def test_a_device_gives_what_the_host_gives(there):
    x, settings = sky(23), {"seed": 4, "n_samples": 20}
    x[5] = np.inf
    expected = accel.inference.catalogue.summarise(exact(accel, flow=1), x, **settings)
    for chunk_size in (None, 23, 6, 1):
        found = accel.inference.catalogue.summarise(there, x, chunk_size=chunk_size, **settings)
        for a, b in zip(found, expected):
            assert isinstance(a, np.ndarray)
            assert_close(a, b, terms=100)


@pytest.mark.kernels
def test_a_posterior_moves_to_a_device_whole(cp):
    ensemble = accel.inference.deep_ensemble.Ensemble((exact(accel, flow=1), exact(accel, flow=2)),
                                                      np.array([0.5, 0.5]))
    moved = device.put(ensemble, cp, "float32")
    for member in moved.members:
        assert (member.params.flat.dtype == member.whitening.factor.dtype == member.training_domain.mean.dtype
                == np.float32)
        assert type(member.params).__name__ == "Tree", "its parameters are frozen again"
    x, expected = sky(3), accel.inference.catalogue.summarise(ensemble, sky(3), seed=1, n_samples=8)
    found = accel.inference.catalogue.summarise(moved, x, seed=1, n_samples=8)
    assert found.mean.dtype == np.float32 and np.abs(found.mean - expected.mean).max() < 1e-4
    back = device.put(moved, np, "float64").sample(np.random.default_rng(0), 3, x)
    assert np.abs(back - ensemble.sample(np.random.default_rng(0), 3, x)).max() < 1e-4


def test_a_device_array_is_refused(there, cp):
    with pytest.raises(
            ValueError,
            match="x: expected a host array, which is sent to the posterior's device in chunks, got a device "
            "array"):
        accel.inference.catalogue.summarise(there, cp.asarray(sky(5)), seed=0)


def test_a_device_needs_no_more_memory_for_more_objects(there, tmp_path):
    def peak(n):
        x = sky(n)
        accel.memory.clear()                                          # of what earlier tests left
        tracemalloc.start()
        try:
            accel.inference.catalogue.summarise(there, x, seed=0, n_samples=300, chunk_size=50,
                                                out=tempfile.mkdtemp(dir=tmp_path))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    peak(150)
    assert peak(600) - peak(150) < 0.1 * 450 * 300 * 2 * 8            # of what the draws would take


@pytest.mark.skipif(not strict_cupy.COMPILER, reason="kernels run on the CPU through g++")
def test_more_draws_than_a_block_holds_are_summarised_by_array_code(cp):
    theta = np.random.default_rng(0).standard_normal((2, 9000, 3))
    with device.kernels(True):
        with pytest.warns(RuntimeWarning,
                          match="9000 draws of 3 parameters in float64 do not fit the shared memory"):
            found = accel.inference.catalogue.summary(cp.asarray(theta))
    assert_close(found.quantiles.get(), np.moveaxis(np.quantile(theta, (0.16, 0.5, 0.84), axis=1), 0, 1))


def test_a_summary_of_one_parameter_leaves_the_draws_in_their_order():
    theta = np.random.default_rng(0).standard_normal((3, 50, 1))
    for package in (reference, accel):
        kept = theta.copy()
        package.inference.catalogue.summary(kept)
        assert np.array_equal(kept, theta)
