"""The objects of a catalogue: their own draws, whatever the chunks, and runs that are interrupted and
continued."""
import json

import numpy as np
import pytest

import accel
import reference
from accel import device
from tests import strict_cupy
from tests.agreement.comparator import assert_close
from tests.support.catalogues import exact, failing, same, sky

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


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
        posterior = package.inference.deep_ensemble.Ensemble((posterior, exact(package, flow=2)),
                                                             np.array([0.7, 0.3]))
    if density == "mdn":
        rng, prior = np.random.default_rng(0), package.priors.Normal([0.0, 0.0], [1.0, 1.0])
        theta = rng.standard_normal((100, 2))
        posterior = package.inference.npe.fit(prior, theta, np.column_stack((theta, theta[:, 0])) + sky(100),
                                              rng=rng, max_epochs=2,
                                              density=package.density.mdn, hidden=(5,))
    x = sky(70)
    x[30] = np.nan
    catalogue = package.inference.catalogue
    whole = catalogue.summarise(posterior, x, seed=5, n_samples=300)
    for chunk_size in (1, 13, 64, 1000):
        same(catalogue.summarise(posterior, x, seed=5, n_samples=300, chunk_size=chunk_size), whole)
    parts = [catalogue.summarise(posterior, part, seed=5, n_samples=300, first=first) for part,
             first in ((x[:33], 0), (x[33:], 33))]
    same(catalogue.Catalogue(*map(np.concatenate, zip(*parts))), whole)
    assert not np.array_equal(catalogue.summarise(posterior, x[:1], seed=6, n_samples=300).mean,
                              whole.mean[:1])


@BOTH
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("cudaErrorDeviceUnavailable")])
def test_an_interrupted_run_goes_on_where_it_stood(package, monkeypatch, tmp_path, error):
    catalogue, posterior, x = package.inference.catalogue, exact(package, flow=1), sky(40)
    settings = {"seed": 9, "n_samples": 500, "quantiles": (0.1, 0.9)}
    whole = catalogue.summarise(posterior, x, **settings)

    def stopped(**more):
        with failing(package, monkeypatch, error, at=3):
            if isinstance(error, KeyboardInterrupt):
                with pytest.warns(
                        UserWarning,
                        match=r"of 40 objects that were finished are returned; (call|to go on, call) again"):
                    return catalogue.summarise(posterior, x, chunk_size=2, **settings, **more)
            with pytest.raises(
                    catalogue.CatalogueError,
                    match="failed with RuntimeError: cudaErrorDeviceUnavailable; .* of 40") as caught:
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
    with failing(reference, monkeypatch, KeyboardInterrupt(), at=8), pytest.warns(UserWarning,
                                                                                  match="the 6 of 20"):
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
        with pytest.raises(
                ValueError,
                match=f"out: expected an empty folder or a run with the same arguments, got one whose {key} "
                "is"):
            catalogue.summarise(posterior, x, **{"seed": 1, "n_samples": 4, "out": tmp_path / "run", **wrong})
    for other, rows, key in ((exact(package, shift=1.0), x, "posterior"), (posterior, x + 1, "x"),
                             (posterior, x[:5], "n")):
        with pytest.raises(ValueError, match=f"got one whose {key} is"):
            catalogue.summarise(other, rows, seed=1, n_samples=4, out=tmp_path / "run")
    with pytest.raises(ValueError, match="whose kind is 'summaries', not 'samples'"):
        catalogue.sample(posterior, x, seed=1, n_samples=4, out=tmp_path / "run")
    (tmp_path / "catalogue.json").write_text('{"format": "another"}')
    for use in (lambda: catalogue.load(tmp_path), lambda: catalogue.sample(posterior, x, seed=1,
                                                                           out=tmp_path)):
        with pytest.raises(ValueError, match="out: expected a folder with a catalogue of diptych"):
            use()
    with pytest.raises(FileNotFoundError):
        catalogue.load(tmp_path / "nothing here")


@BOTH
def test_an_ensemble_shares_the_draws_by_weight(package):
    members = [exact(package, shift=shift) for shift in (0.0, 100.0, 200.0)]
    ensemble = package.inference.deep_ensemble.Ensemble(tuple(members), np.array([0.30, 0.0004, 0.6996]))
    theta = package.inference.catalogue.sample(ensemble, sky(3), seed=0, n_samples=200).theta
    of = np.round(theta[:, :, 0] / 100)
    assert (np.sum(of == 0, axis=1) == 60).all() and (np.sum(of == 2, axis=1) == 140).all()
    assert len(np.unique(theta)) == theta.size


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


def test_a_chunk_costs_no_waiting(there):
    """The host waits for a device once a chunk, for what comes home: nothing that is computed asks it to."""
    def waits(n):
        with strict_cupy.counted() as spent:
            accel.inference.catalogue.summarise(there, sky(n), seed=4, n_samples=20, chunk_size=4)
        return spent["sync"]
    # the stand-in counts each of the four fields that come home, too
    assert waits(44) - waits(4) == 10 * (1 + 4)


def test_out_of_memory_halves_the_chunk(there, monkeypatch):
    x, settings, draw = sky(30), {"seed": 4, "n_samples": 20}, accel.inference.npe_posterior.draw
    expected, sizes = accel.inference.catalogue.summarise(there, x, **settings), []

    def small_device(posterior, rng, n, x):
        sizes.append(len(x))
        if len(x) > 3 and len(sizes) > 2:                     # the third chunk is the first that does not fit
            raise OutOfMemoryError("Out of memory allocating 1,000 bytes (allocated so far: 9 bytes).")
        return draw(posterior, rng, n, x)
    monkeypatch.setattr(accel.inference.npe_posterior, "draw", small_device)
    with pytest.warns(UserWarning, match="objects at a time do not fit the device") as caught:
        found = accel.inference.catalogue.summarise(there, x, chunk_size=8, **settings)
    assert [str(warning.message).partition(" ")[0] for warning in caught] == ["8", "4"]
    assert "their draws alone take 2,560 bytes (Out of memory allocating 1,000 bytes" in str(
        caught[0].message)
    assert "going on with chunk_size=2" in str(caught[1].message) and caught[0].filename == __file__
    assert sizes == [8, 8, 8, 4] + [2] * 7
    for a, b in zip(found, expected):
        assert_close(a, b, terms=100)


def test_a_device_without_room_for_one_object_says_so(there, monkeypatch):
    def full(*arguments):
        raise OutOfMemoryError("Out of memory allocating 1,000 bytes")
    monkeypatch.setattr(accel.inference.npe_posterior, "draw", full)
    with pytest.warns(UserWarning), pytest.raises(accel.inference.catalogue.CatalogueError,
                                                  match="1 objects at a time .* lower n_samples"):
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
