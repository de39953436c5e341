"""The flow on pixels against quadrature, counting and distributions that are known."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
BRIEF = {"n_transforms": 2, "hidden": (8,), "max_epochs": 3, "batch_size": 16}
# P of two pixels with three levels
CORRELATED = np.array([[0.30, 0.05, 0.00], [0.10, 0.20, 0.05], [0.00, 0.05, 0.25]])


def pairs(rng, n, table=CORRELATED):
    return np.stack(np.unravel_index(rng.choice(table.size, size=n, p=table.ravel()), table.shape),
                    axis=1).astype(float)


def with_context(rng, n):
    """Two pixels of four levels, the brighter the larger c."""
    c = rng.standard_normal((n, 1))
    return np.clip(np.round(1.5 + c + 0.6 * rng.standard_normal((n, 2))), 0, 3), c


def every_image(levels):
    return np.stack(np.meshgrid(np.arange(levels), np.arange(levels), indexing="ij"),
                    axis=-1).reshape(-1, 2).astype(float)


@pytest.fixture(scope="module", params=[reference, accel], ids=["reference", "accel"])
def fitted(request):
    """A flow fitted to pairs, and the package."""
    settings = {"n_transforms": 4, "hidden": (16,), "max_epochs": 20, "batch_size": 128}
    flow = request.param.density.pixel_flow.fit(pairs(np.random.default_rng(1), 2000),
                                                rng=np.random.default_rng(2), levels=3, **settings)
    return flow, request.param


def test_it_learns_a_distribution_of_levels(fitted):
    """The bound is above the entropy, by what an affine flow cannot bend into steps, and far below what
    independent pixels cost."""
    flow, _ = fitted
    x = every_image(3)
    bound = flow.bound(np.random.default_rng(3), x, n_draws=500)
    p = CORRELATED.ravel()
    entropy = -np.sum(p[p > 0] * np.log(p[p > 0]))
    independent = -np.sum(p * np.log(np.outer(CORRELATED.sum(axis=1), CORRELATED.sum(axis=0)).ravel()))
    assert entropy < -np.sum(p * bound) < entropy + 0.25 < independent - 0.2
    assert abs(flow.validation_bound + entropy) < 0.4


def test_the_bound_is_below_the_probability_of_the_levels(fitted):
    """exp of the bound, summed over all images, is below one; the mean of p(u) over each cell, by quadrature,
    sums to one."""
    flow, _ = fitted
    assert np.exp(flow.bound(np.random.default_rng(4), every_image(3), n_draws=500)).sum() < 1
    node, weight = np.polynomial.legendre.leggauss(100)
    at, weight = (node + 1) / 2, weight / 2
    u = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(flow.log_prob(u)) @ np.outer(weight, weight).ravel()
    assert 0.99 < mass < 1 + 1e-3


def test_draws_have_the_frequencies_of_the_levels(fitted):
    """20,000 draws against the distribution that was learnt, by total variation; a table with its columns
    swapped is far off."""
    flow, _ = fitted
    x = flow.sample(np.random.default_rng(5), 20_000)
    assert x.shape == (20_000, 2) and np.array_equal(np.unique(x), [0, 1, 2])
    found = np.bincount((3 * x[:, 0] + x[:, 1]).astype(int), minlength=9).reshape(3, 3) / len(x)
    assert np.abs(found - CORRELATED).sum() / 2 < 0.2 < 0.5 < np.abs(found - CORRELATED[:, ::-1]).sum() / 2


def test_outside_the_unit_cube_there_is_no_density(fitted):
    flow, _ = fitted
    log_p = flow.log_prob(np.array([[0.5, 0.5], [-1e-9, 0.5], [0.5, 1.01], [0.0, 1.0]]))
    assert np.array_equal(np.isfinite(log_p), [True, False, False, True]) and log_p[1] == -np.inf


@BOTH
def test_the_context_decides(package):
    """Held out: the bound given c is above the bound given a stranger's c, and draws follow their own c."""
    x, c = with_context(np.random.default_rng(6), 1500)
    flow = package.density.pixel_flow.fit(x, context=c, rng=np.random.default_rng(7), levels=4,
                                          n_transforms=4, hidden=(16,), max_epochs=12, batch_size=128)
    x, c = with_context(np.random.default_rng(8), 500)
    own, strange = (flow.bound(np.random.default_rng(9), x, given, n_draws=4).mean()
                    for given in (c, c[::-1]))
    assert own > strange + 0.5
    draws = flow.sample(np.random.default_rng(10), 400, np.array([[-1.0], [1.0]]))
    assert draws.shape == (2, 400, 2)
    expected = [np.mean(with_exact(mean)) for mean in (0.5, 2.5)]
    assert np.abs(draws.mean(axis=(1, 2)) - expected).max() < 0.15


def with_exact(mean):
    """The mean level of a pixel whose bright value is N(mean, 0.6²), rounded and clipped to 0 … 3."""
    edges = np.concatenate(([-np.inf], np.arange(3) + 0.5, [np.inf]))
    return np.diff(stats.norm.cdf(edges, mean, 0.6)) @ np.arange(4)


@BOTH
def test_the_order_is_undone(package):
    """Three pixels with levels of their own; a flow in any order gives each back at its place."""
    rng = np.random.default_rng(11)
    x = np.stack((rng.integers(0, 2, 200), rng.integers(3, 5, 200), rng.integers(6, 8, 200)), axis=1).astype(
        float)
    flow = package.density.pixel_flow.fit(x, rng=np.random.default_rng(12), levels=8,
                                          order=np.array([2, 0, 1]), **BRIEF | {"max_epochs": 20})
    assert np.abs(flow.sample(np.random.default_rng(13), 500).mean(axis=0) - [0.5, 3.5, 6.5]).max() < 0.3
    right, wrong = (flow.bound(np.random.default_rng(14), x[:, columns]).mean()
                    for columns in ([0, 1, 2], [2, 0, 1]))
    assert right > wrong + 5


@pytest.mark.parametrize("name", ["realnvp", "maf", "nsf"])
def test_a_saved_flow_answers_the_same_in_either_package(name, tmp_path):
    x, c = with_context(np.random.default_rng(15), 60)
    for package, other in ((reference, accel), (accel, reference)):
        flow = package.density.pixel_flow.fit(x, context=c, rng=np.random.default_rng(16), levels=4,
                                              density=getattr(package.density, name), **BRIEF)
        flow.save(tmp_path / "flow.npz")
        for loaded in (package.density.pixel_flow.load(tmp_path / "flow.npz"),
                       other.density.pixel_flow.load(tmp_path / "flow.npz")):
            assert_close(loaded.bound(np.random.default_rng(17), x, c),
                         flow.bound(np.random.default_rng(17), x, c), terms=1000)
            assert np.array_equal(loaded.sample(np.random.default_rng(18), 3, c),
                                  flow.sample(np.random.default_rng(18), 3, c))


@BOTH
def test_single_precision_is_kept(package):
    x, c = (a.astype(np.float32) for a in with_context(np.random.default_rng(19), 60))
    flow = package.density.pixel_flow.fit(x, context=c, rng=np.random.default_rng(20), levels=4, **BRIEF)
    if package is accel:
        assert (flow.bound(np.random.default_rng(0), x, c).dtype
                == flow.sample(np.random.default_rng(0), 2, c).dtype == np.float32)
    assert flow.order.dtype.kind == "i" and flow.levels == 4


@BOTH
@pytest.mark.parametrize(
    "change, message",
    [({"x": [[0.0, 1.5]] * 30}, "x: expected whole numbers"),
     ({"x": [[0.0, 4.0]] * 30}, "x: expected whole numbers"),
     ({"x": [[0.0, -1.0]] * 30}, "x: expected whole numbers"),
     ({"x": [[0.0, np.nan]] * 30}, "x: expected finite"), ({"x": [0.0, 1.0]}, "x: expected shape"),
     ({"x": [[0.0, 1.0]]}, "x: number of rows"), ({"levels": 1}, "levels: expected"),
     ({"order": [0, 0]}, "order: expected"), ({"order": [0]}, "order: expected"),
     ({"alpha": 0.7}, "alpha: expected"), ({"context": np.ones((4, 1))}, "context: expected"),
     ({"context": np.full((30, 1), np.inf)}, "x: expected finite"), ({"density": None}, "density: expected"),
     ({"max_epochs": 0}, "max_epochs: expected"), ({"n_transforms": 1}, "n_transforms: expected")])
def test_bad_input_is_refused(package, change, message):
    settings = {"x": pairs(np.random.default_rng(0), 30), "levels": 3, "rng": np.random.default_rng(0),
                **BRIEF} | change
    with pytest.raises(ValueError, match=f"^{message}"):
        package.density.pixel_flow.fit(**settings)


def test_bad_questions_are_refused(fitted):
    flow, package = fitted
    for call, message in ((lambda: flow.log_prob(np.ones((3, 3))), "u: expected"),
                          (lambda: flow.bound(None, np.full((2, 2), 3.0)), "x: expected"),
                          (lambda: flow.bound(None, np.ones((2, 2)), n_draws=0), "n_draws: expected"),
                          (lambda: flow.sample(np.random.default_rng(0), 2, np.ones((2, 1))),
                           "context: expected"),
                          (lambda: package.density.pixel_flow.load(__file__), "path: expected")):
        with pytest.raises(ValueError, match=f"^{message}"):
            call()
