"""Catalogues: against posteriors known in closed form, and what is promised about chunks, interruptions, memory, flags and devices."""
import contextlib
import json
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
from tests.agreement.registry import random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SLOPE = np.array([[0.5, -1.0], [0.0, 0.3], [2.0, 0.0]])
FACTOR = np.array([[0.6, 0.0], [-0.4, 0.2]])


def exact(package, *, shift=0.0, flow=None, dtype=np.float64, support=True):
    """A posterior that is normal for every x (3,): mean x @ SLOPE + shift, covariance FACTOR @ FACTOR.T; a flow bends it."""
    npe = package.inference.npe
    params = npe.init_params(np.random.default_rng(0), dim=2, context_dim=3, n_transforms=2, hidden=(6, 5))
    params = params if flow is None else random_tree(np.random.default_rng(flow), params, 0.5)
    masked = accel.runtime.tree.packed(params)
    accel.density.maf.sample(masked["flow"], np.random.default_rng(0), 1, np.zeros((1, 3)))
    params = package.runtime.tree.tree_map(lambda a: a.astype(dtype), masked)    # weights that a mask hides are zero, as after any training
    whitening = package.preprocessing.regression.Regression(np.vstack((np.full(2, shift), SLOPE)).astype(dtype), FACTOR.astype(dtype))
    seen = package.preprocessing.training_domain.fit_support(np.random.default_rng(1).standard_normal((5000, 3)).astype(dtype)) if support else None
    params, scaling = package.runtime.tree.unravel(package.runtime.tree.ravel(params), params), package.preprocessing.scaling.Scaling(np.zeros(3, dtype), np.ones(3, dtype))
    return npe.Posterior(package.priors.Normal([0.0, 0.0], [1.0, 1.0]), package.density.maf, params, whitening, None, scaling, 0.0, {}, seen)


def sky(n, seed=2):
    return np.random.default_rng(seed).standard_normal((n, 3))


def same(one, other):
    for name, a, b in zip(one._fields, one, other):
        assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True), name


@contextlib.contextmanager
def failing(package, monkeypatch, error, at):
    """In the block, the call number `at` to sample a posterior raises the error."""
    calls, draw = [], package.inference.npe.draw

    def fails(*arguments):
        calls.append(1)
        if len(calls) == at:
            raise error
        return draw(*arguments)
    with monkeypatch.context() as patch:
        patch.setattr(package.inference.npe, "draw", fails)
        yield calls


@BOTH
def test_a_normal_posterior_is_summarised(package, seed):
    x, n, p = sky(60), 4000, np.array([0.05, 0.5, 0.84])
    found = package.inference.catalogue.summarise(exact(package, shift=0.7), x, seed=seed, n_samples=n, quantiles=p)
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
    off = (found.mean - mean - 0.02 * std) / (std / np.sqrt(n))       # a control: a fiftieth of a standard deviation is seen
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
@pytest.mark.parametrize("n", [8, 7])
def test_an_object_draws_what_its_number_says(package, n):
    """Seven draws of two parameters are no whole number of blocks of four."""
    posterior, x = exact(package, flow=1), sky(5)
    theta = package.inference.catalogue.sample(posterior, x, seed=11, n_samples=n, first=100).theta
    summaries = package.inference.catalogue.summarise(posterior, x, seed=11, n_samples=n, first=100)
    for i in range(5):
        rng = package.runtime.philox.PhiloxGenerator(11)
        rng.block = (100 + i) * 4
        assert_close(theta[i], posterior.sample(rng, n, x[i]), terms=100)
    assert_close(summaries.quantiles, np.moveaxis(np.quantile(theta, (0.16, 0.5, 0.84), axis=1), 0, 1))
    assert len(np.unique(theta)) == theta.size


@BOTH
@pytest.mark.parametrize("density", ["maf", "mdn", "ensemble"])
def test_no_bit_depends_on_the_chunks(package, density):
    posterior = exact(package, flow=1)
    if density == "ensemble":
        posterior = package.inference.deep_ensemble.Ensemble((posterior, exact(package, flow=2)), np.array([0.7, 0.3]))
    if density == "mdn":
        rng, prior = np.random.default_rng(0), package.priors.Normal([0.0, 0.0], [1.0, 1.0])
        theta = rng.standard_normal((100, 2))
        posterior = package.inference.npe.fit(prior, theta, np.column_stack((theta, theta[:, 0])) + sky(100), rng=rng, max_epochs=2,
                                              density=package.density.mdn, hidden=(5,))
    x = sky(70)
    x[30] = np.nan
    catalogue = package.inference.catalogue
    whole = catalogue.summarise(posterior, x, seed=5, n_samples=300)
    for chunk_size in (1, 13, 64, 1000):
        same(catalogue.summarise(posterior, x, seed=5, n_samples=300, chunk_size=chunk_size), whole)
    parts = [catalogue.summarise(posterior, part, seed=5, n_samples=300, first=first) for part, first in ((x[:33], 0), (x[33:], 33))]
    same(catalogue.Catalogue(*map(np.concatenate, zip(*parts))), whole)
    assert not np.array_equal(catalogue.summarise(posterior, x[:1], seed=6, n_samples=300).mean, whole.mean[:1])


@BOTH
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("cudaErrorDeviceUnavailable")])
def test_an_interrupted_run_goes_on_where_it_stood(package, monkeypatch, tmp_path, error):
    catalogue, posterior, x = package.inference.catalogue, exact(package, flow=1), sky(40)
    settings = {"seed": 9, "n_samples": 500, "quantiles": (0.1, 0.9)}
    whole = catalogue.summarise(posterior, x, **settings)

    def stopped(**more):
        with failing(package, monkeypatch, error, at=3):
            if isinstance(error, KeyboardInterrupt):
                with pytest.warns(UserWarning, match=r"of 40 objects that were finished are returned; (call|to go on, call) again"):
                    return catalogue.summarise(posterior, x, chunk_size=2, **settings, **more)
            with pytest.raises(catalogue.CatalogueError, match="failed with RuntimeError: cudaErrorDeviceUnavailable; .* of 40") as caught:
                catalogue.summarise(posterior, x, chunk_size=2, **settings, **more)
            assert caught.value.__cause__ is error
            return caught.value.finished
    kept = stopped()
    k = len(kept.mean)
    assert 0 < k < 40
    same(kept, catalogue.Catalogue(*(field[:k] for field in whole)))
    rest = catalogue.summarise(posterior, x[k:], first=k, **settings)
    same(catalogue.Catalogue(*map(np.concatenate, zip(kept, rest))), whole)
    same(stopped(out=tmp_path / "run"), kept)
    same(catalogue.load(tmp_path / "run"), kept)
    same(catalogue.summarise(posterior, x, out=tmp_path / "run", chunk_size=7, **settings), whole)
    same(catalogue.load(tmp_path / "run"), whole)
    with failing(package, monkeypatch, error, at=1) as calls:
        same(catalogue.summarise(posterior, x, out=tmp_path / "run", **settings), whole)
        assert not calls, "what is finished is not computed again"
    assert np.array_equal(np.load(tmp_path / "run" / "quantiles.npy", mmap_mode="r"), whole.quantiles)


@BOTH
def test_a_run_that_was_killed_goes_on_from_what_was_counted(package, tmp_path):
    """Rows beyond those that the ledger counts may hold anything."""
    catalogue, posterior, x = package.inference.catalogue, exact(package, flow=1), sky(30)
    whole = catalogue.sample(posterior, x, seed=1, n_samples=4, out=tmp_path)
    whole = catalogue.Samples(*map(np.array, whole))
    ledger = json.loads((tmp_path / "catalogue.json").read_text())
    (tmp_path / "catalogue.json").write_text(json.dumps({**ledger, "done": 11}))
    np.load(tmp_path / "theta.npy", mmap_mode="r+")[11:] = 7.0
    assert len(catalogue.load(tmp_path).theta) == 11
    same(catalogue.sample(posterior, x, seed=1, n_samples=4, out=tmp_path), whole)


def test_either_package_goes_on_with_the_others_run(monkeypatch, tmp_path):
    x, settings = sky(20), {"seed": 1, "n_samples": 50, "chunk_size": 3, "out": tmp_path}
    with failing(reference, monkeypatch, KeyboardInterrupt(), at=8), pytest.warns(UserWarning, match="the 6 of 20"):
        reference.inference.catalogue.summarise(exact(reference, flow=1), x, **settings)
    found = accel.inference.catalogue.summarise(exact(accel, flow=1), x, **settings)
    expected = reference.inference.catalogue.summarise(exact(reference, flow=1), x, seed=1, n_samples=50)
    assert_close(found.mean, expected.mean, terms=100)
    assert_close(found.quantiles, expected.quantiles, terms=100)


@BOTH
def test_an_interruption_before_anything_is_finished_goes_on_to_the_caller(package, monkeypatch):
    with failing(package, monkeypatch, KeyboardInterrupt(), at=1), pytest.raises(KeyboardInterrupt):
        package.inference.catalogue.summarise(exact(package), sky(4), seed=0)


@BOTH
def test_a_folder_with_another_run_is_refused(package, tmp_path):
    catalogue, posterior, x = package.inference.catalogue, exact(package), sky(6)
    catalogue.summarise(posterior, x, seed=1, n_samples=4, out=tmp_path / "run")
    for wrong in ({"seed": 2}, {"n_samples": 5}, {"quantiles": (0.5,)}, {"first": 1}):
        key = next(iter(wrong))
        with pytest.raises(ValueError, match=f"out: expected an empty folder or a run with the same arguments, got one whose {key} is"):
            catalogue.summarise(posterior, x, **{"seed": 1, "n_samples": 4, "out": tmp_path / "run", **wrong})
    for other, rows, key in ((exact(package, shift=1.0), x, "posterior"), (posterior, x + 1, "x"), (posterior, x[:5], "n")):
        with pytest.raises(ValueError, match=f"got one whose {key} is"):
            catalogue.summarise(other, rows, seed=1, n_samples=4, out=tmp_path / "run")
    with pytest.raises(ValueError, match="whose kind is 'summaries', not 'samples'"):
        catalogue.sample(posterior, x, seed=1, n_samples=4, out=tmp_path / "run")
    (tmp_path / "catalogue.json").write_text('{"format": "another"}')
    for use in (lambda: catalogue.load(tmp_path), lambda: catalogue.sample(posterior, x, seed=1, out=tmp_path)):
        with pytest.raises(ValueError, match="out: expected a folder with a catalogue of diptych"):
            use()
    with pytest.raises(FileNotFoundError):
        catalogue.load(tmp_path / "nothing here")


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
    with pytest.warns(UserWarning, match="without its support, so that no object is flagged as far"):
        blind = catalogue.summarise(exact(package, support=False), x, seed=0, n_samples=50)
    assert np.isnan(blind.distance).all() and blind.flag[6] == 0
    assert np.array_equal(blind.mean, found.mean, equal_nan=True)


@BOTH
def test_an_ensemble_shares_the_draws_by_weight(package):
    members = [exact(package, shift=shift) for shift in (0.0, 100.0, 200.0)]
    ensemble = package.inference.deep_ensemble.Ensemble(tuple(members), np.array([0.30, 0.0004, 0.6996]))
    theta = package.inference.catalogue.sample(ensemble, sky(3), seed=0, n_samples=200).theta
    of = np.round(theta[:, :, 0] / 100)
    assert (np.sum(of == 0, axis=1) == 60).all() and (np.sum(of == 2, axis=1) == 140).all()
    assert len(np.unique(theta)) == theta.size


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
    for given in (np.load(tmp_path / "x.npy", mmap_mode="r"), x.astype(">f4"), x.astype(np.int16), x.tolist(), np.ma.array(x), table,
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
            package.inference.catalogue.summarise(posterior, x, seed=0, n_samples=1000, chunk_size=50, out=tmp_path / str(n))
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
    (np.zeros((4, 2)), {}, r"x: expected shape \(N, 3\), got \(0, 2\)"), (np.zeros(3), {}, r"x: expected shape \(N, 3\)"),
    (np.zeros((4, 3), np.float16), {}, "x: expected real numbers in float64 or float32, got dtype float16"),
    ([["a", "b", "c"]], {}, "x: expected real"), (np.ma.masked_less(np.zeros((4, 3)), 1), {}, "x: expected an array without masked"),
    (np.zeros((4, 3)), {"n_samples": 1}, "n_samples: expected a whole number of at least 2, got 1"),
    (np.zeros((4, 3)), {"quantiles": (0.5, 1.0)}, r"quantiles: expected numbers strictly between 0 and 1, got \[0.5, 1.0\]"),
    (np.zeros((4, 3)), {"quantiles": ()}, "quantiles: "), (np.zeros((4, 3)), {"chunk_size": 0}, "chunk_size: "),
    (np.zeros((4, 3)), {"seed": 2**64}, "seed: "), (np.zeros((4, 3)), {"first": -1}, "first: "),
])
def test_bad_input_is_named(package, x, settings, message):
    with pytest.raises(ValueError, match=message):
        package.inference.catalogue.summarise(exact(package), x, **{"seed": 0, **settings})


# On a device


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


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


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
    ensemble = accel.inference.deep_ensemble.Ensemble((exact(accel, flow=1), exact(accel, flow=2)), np.array([0.5, 0.5]))
    moved = device.put(ensemble, cp, "float32")
    for member in moved.members:
        assert member.params.flat.dtype == member.whitening.factor.dtype == member.support.mean.dtype == np.float32
        assert member.params["flow"]["mades"][0][0].base is not None, "parameters lie in one buffer"
    x, expected = sky(3), accel.inference.catalogue.summarise(ensemble, sky(3), seed=1, n_samples=8)
    found = accel.inference.catalogue.summarise(moved, x, seed=1, n_samples=8)
    assert found.mean.dtype == np.float32 and np.abs(found.mean - expected.mean).max() < 1e-4
    back = device.put(moved, np, "float64").sample(np.random.default_rng(0), 3, x)
    assert np.abs(back - ensemble.sample(np.random.default_rng(0), 3, x)).max() < 1e-4


def test_a_chunk_costs_no_waiting(there):
    """The host waits for a device once a chunk, for what comes home: nothing that is computed asks it to."""
    def waits(n):
        with strict_cupy.counted() as spent:
            accel.inference.catalogue.summarise(there, sky(n), seed=4, n_samples=20, chunk_size=4)
        return spent["sync"]
    assert waits(44) - waits(4) == 10 * (1 + 4)                       # the stand-in counts each of the four fields that come home, too


def test_out_of_memory_halves_the_chunk(there, monkeypatch):
    x, settings, draw = sky(30), {"seed": 4, "n_samples": 20}, accel.inference.npe.draw
    expected, sizes = accel.inference.catalogue.summarise(there, x, **settings), []

    def small_device(posterior, rng, n, x):
        sizes.append(len(x))
        if len(x) > 3 and len(sizes) > 2:                             # the third chunk is the first that does not fit
            raise OutOfMemoryError("Out of memory allocating 1,000 bytes (allocated so far: 9 bytes).")
        return draw(posterior, rng, n, x)
    monkeypatch.setattr(accel.inference.npe, "draw", small_device)
    with pytest.warns(UserWarning, match="objects at a time do not fit the device") as caught:
        found = accel.inference.catalogue.summarise(there, x, chunk_size=8, **settings)
    assert [str(warning.message).partition(" ")[0] for warning in caught] == ["8", "4"]
    assert "their draws alone take 2,560 bytes (Out of memory allocating 1,000 bytes" in str(caught[0].message)
    assert "going on with chunk_size=2" in str(caught[1].message) and caught[0].filename == __file__
    assert sizes == [8, 8, 8, 4] + [2] * 7
    for a, b in zip(found, expected):
        assert_close(a, b, terms=100)


def test_a_device_without_room_for_one_object_says_so(there, monkeypatch):
    def full(*arguments):
        raise OutOfMemoryError("Out of memory allocating 1,000 bytes")
    monkeypatch.setattr(accel.inference.npe, "draw", full)
    with pytest.warns(UserWarning), pytest.raises(accel.inference.catalogue.CatalogueError, match="1 objects at a time .* lower n_samples"):
        accel.inference.catalogue.summarise(there, sky(5), seed=0, n_samples=20)


def test_a_device_that_disappears_keeps_what_was_finished(there, cp, monkeypatch, tmp_path):
    catalogue, x, settings = accel.inference.catalogue, sky(30), {"seed": 4, "n_samples": 20, "chunk_size": 4}
    whole = catalogue.summarise(there, x, **settings)
    error = cp.cuda.runtime.CUDARuntimeError("cudaErrorECCUncorrectable")
    with failing(accel, monkeypatch, error, at=5):
        with pytest.raises(catalogue.CatalogueError, match="call again with the same arguments") as caught:
            catalogue.summarise(there, x, out=tmp_path, **settings)
    assert "CUDARuntimeError: cudaErrorECCUncorrectable; 16 of 30" in str(caught.value)
    same(caught.value.finished, catalogue.Catalogue(*(field[:16] for field in whole)))
    same(catalogue.summarise(there, x, out=tmp_path, **settings), whole)
    same(catalogue.load(tmp_path), whole)


def test_a_device_array_is_refused(there, cp):
    with pytest.raises(ValueError, match="x: expected a host array, which is sent to the posterior's device in chunks, got a device array"):
        accel.inference.catalogue.summarise(there, cp.asarray(sky(5)), seed=0)


def test_a_device_needs_no_more_memory_for_more_objects(there, tmp_path):
    def peak(n):
        x = sky(n)
        tracemalloc.start()
        try:
            accel.inference.catalogue.summarise(there, x, seed=0, n_samples=300, chunk_size=50, out=tempfile.mkdtemp(dir=tmp_path))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    peak(150)
    assert peak(600) - peak(150) < 0.1 * 450 * 300 * 2 * 8            # of what the draws would take


@pytest.mark.skipif(not strict_cupy.COMPILER, reason="kernels run on the CPU through g++")
def test_more_draws_than_a_block_holds_are_summarised_by_array_code(cp):
    theta = np.random.default_rng(0).standard_normal((2, 9000, 3))
    with device.kernels(True):
        with pytest.warns(RuntimeWarning, match="9000 draws of 3 parameters in float64 do not fit the shared memory"):
            found = accel.inference.catalogue.summary(cp.asarray(theta))
    assert_close(found.quantiles.get(), np.moveaxis(np.quantile(theta, (0.16, 0.5, 0.84), axis=1), 0, 1))
