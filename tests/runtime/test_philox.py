"""The counter-based generator: published words, distributions, and numbers that depend on their place."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from accel import device
from tests.agreement.backends import accel_backends

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=lambda package: package.__name__)
DRAWS = ("random", "standard_normal")
PLACES = pytest.mark.parametrize("on", [b for b in accel_backends().values() if b.kernels or b.xp is np],
                                 ids=lambda b: b.name)


# Known answers: kat_vectors of Random123, https://github.com/DEShawResearch/random123


@BOTH
@pytest.mark.parametrize(("counter", "key", "expected"), [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1")])
def test_the_published_words(package, counter, key, expected):
    counter, key, expected = ([int(word, 16) for word in words.split()] for words in (counter, key, expected))
    words = package.runtime.philox.philox(np.array([counter] * 2, np.uint32), key)
    assert words.dtype == np.uint32 and words.tolist() == [expected] * 2


@PLACES
def test_the_first_numbers_are_those_of_the_published_words(on):
    """Seed 0 and block 0 are the counter and the key of zeros."""
    words = np.array([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
    with device.kernels(on.kernels):
        rng = on.package.runtime.philox.PhiloxGenerator(0, like=on.put(np.zeros(1)))
        drawn = device.to_host(rng.random(4))
    assert np.array_equal(drawn, ((words + 0.5) / 2**32).astype(on.dtype))


@BOTH
def test_both_halves_of_seed_and_block_reach_the_words(package):
    def first(seed, block):
        rng = package.runtime.philox.PhiloxGenerator(seed)
        rng.block = block
        return rng.random(4).tobytes()
    seen = {first(seed, block) for seed in (0, 1, 2**32, 2**63) for block in (0, 1, 2**32, 2**63)}
    assert len(seen) == 16


# Distributions


def control(draw):
    """What the same test must refuse."""
    return draw**1.02 if draw.min() > 0 else 1.02 * draw


@PLACES
@pytest.mark.parametrize(("name", "law"), [("random", stats.uniform), ("standard_normal", stats.norm)])
def test_the_law(on, name, law):
    with device.kernels(on.kernels):
        rng = on.package.runtime.philox.PhiloxGenerator(20261121, like=on.put(np.zeros(1)))
        draw = device.to_host(getattr(rng, name)(200_000)).astype(float)
    assert stats.kstest(draw, law.cdf).pvalue > 1e-3
    assert stats.kstest(control(draw), law.cdf).pvalue < 1e-3
    for lag in (1, 2, 3, 4, 8):                                       # neighbours, and neighbouring blocks
        assert abs(np.corrcoef(draw[:-lag], draw[lag:])[0, 1]) < 4 / np.sqrt(len(draw))
    for lag in (1, 2, 4):
        assert abs(np.corrcoef(draw[:-lag]**2, draw[lag:]**2)[0, 1]) < 4 / np.sqrt(len(draw))


@BOTH
def test_the_tails(package):
    draw, n = package.runtime.philox.PhiloxGenerator(5).standard_normal(2_000_000), 2_000_000
    for bound in (2, 3, 4):
        for tail, p in ((draw > bound, stats.norm.sf(bound)), (draw < -bound, stats.norm.sf(bound))):
            assert abs(tail.sum() - n * p) < 4 * np.sqrt(n * p), bound
    assert 4.5 < np.abs(draw).max() < 6.8


@BOTH
def test_integers_are_even(package):
    draw = package.runtime.philox.PhiloxGenerator(6).integers(-2, 5, size=70_000)
    assert stats.chisquare(np.bincount(draw + 2, minlength=7)).pvalue > 1e-3
    assert draw.min() == -2 and draw.max() == 4
    wide = package.runtime.philox.PhiloxGenerator(7).integers(0, 2**62, size=70_000)
    assert stats.kstest(wide / 2**62, stats.uniform.cdf).pvalue > 1e-3 and len(set(wide.tolist())) == 70_000
    assert len(set((wide % 2**20).tolist())) > 60_000, "the lowest bits are drawn too"


def test_float32_numbers_at_the_edges(monkeypatch):
    """A uniform is never 0 or 1, and a normal from a word at either end is exact to rounding."""
    edges = np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 129, 2**32 - 2, 2**32 - 1, 7], np.uint32)
    words = np.stack([a.ravel() for a in np.meshgrid(edges, edges)], axis=1).ravel()
    for package, dtype in ((reference, "float64"), (accel, "float64"), (accel, "float32")):
        monkeypatch.setattr(package.runtime.philox.PhiloxGenerator, "_words", lambda self, n: words)
        rng = package.runtime.philox.PhiloxGenerator(0, like=np.zeros(1, dtype))
        u, z = rng.random(len(words)), rng.standard_normal(len(words))
        assert u.dtype == z.dtype == dtype and u.min() == dtype_of(u)(2.0**-33)
        assert (u < 1).all() and np.isfinite(z).all()
        u1, u2 = ((words.reshape(-1, 2).astype(np.longdouble) + 0.5) / 2**32).T
        exact = np.sqrt(-2 * np.log1p(u1 - 1)) * np.stack((np.cos(2 * np.pi * u2), np.sin(2 * np.pi * u2)))
        assert np.abs(z - exact.T.ravel()).max() < 16 * np.finfo(dtype).eps
        r = np.hypot(*z.reshape(-1, 2).T.astype(float))
        np.testing.assert_allclose(r, np.hypot(*exact).astype(float), rtol=8 * np.finfo(dtype).eps)


def dtype_of(array):
    return array.dtype.type


@PLACES
def test_kernels_do_not_reach_the_edges(on):
    with device.kernels(on.kernels):
        rng = on.package.runtime.philox.PhiloxGenerator(8, like=on.put(np.zeros(1)))
        u = device.to_host(rng.random(3_000_000)) if on.xp is np else device.to_host(rng.random(200_000))
    assert 0 < u.min() and u.max() < 1


# A number depends on its place alone


@PLACES
@pytest.mark.parametrize("name", DRAWS)
def test_a_number_depends_on_its_place_and_not_on_how_many_are_asked_for(on, name):
    with device.kernels(on.kernels):
        make = lambda: on.package.runtime.philox.PhiloxGenerator(9, like=on.put(np.zeros(1)))
        whole = device.to_host(getattr(make(), name)(4000))
        assert np.array_equal(device.to_host(getattr(make(), name)(1001)), whole[:1001])
        later = make()
        later.block = 500
        assert np.array_equal(device.to_host(getattr(later, name)((500, 4))).ravel(), whole[2000:])
        pieces = make()
        pieces = [device.to_host(getattr(pieces, name)(n)) for n in (4, 8, 988, 3000)]
        assert np.array_equal(np.concatenate(pieces), whole)


@BOTH
def test_every_call_starts_a_block(package):
    rng = package.runtime.philox.PhiloxGenerator(10)
    for draw, block in ((lambda: rng.random(1), 1), (lambda: rng.random(0), 1),
                        (lambda: rng.standard_normal(5), 3),
                        (lambda: rng.integers(9, size=3), 5), (lambda: rng.random(), 6)):
        draw()
        assert rng.block == block


def test_both_packages_and_both_dtypes_draw_the_same():
    ours, theirs = accel.runtime.philox.PhiloxGenerator(11), reference.runtime.philox.PhiloxGenerator(11)
    assert np.array_equal(ours.random((5, 3)), theirs.random((5, 3)))
    assert np.array_equal(ours.integers(0, 2**60, size=9), theirs.integers(0, 2**60, size=9))


# State and bad input


class Line:
    """A model with noise, whose training draws permutations and normals."""

    @staticmethod
    def draw_noise(rng, n):
        return rng.standard_normal((n, 1))

    @staticmethod
    def loss(params, x, z):
        return (((x - params["a"]) ** 2).sum(axis=1) + 0.1 * z[:, 0] * (params["a"] ** 2).sum()).mean()

    @staticmethod
    def loss_and_grad(params, x, z):
        return Line.loss(params, x, z), {"a": (2 * (params["a"] - x) + 0.2 * z * params["a"]).mean(axis=0)}


@pytest.mark.kernels
@pytest.mark.parametrize("resumed", [0, 1])
def test_a_checkpoint_resumes_on_a_device_and_in_either_package(tmp_path, resumed):
    """Three epochs at once, and three that were stopped on a device in the third and resumed in either."""
    on = next(b for b in accel_backends().values() if b.xp is not np and b.dtype == "float64"
              and not b.kernels)
    places = [(accel, on.put), (reference, lambda tree: tree)]
    x, a, asked = np.random.default_rng(0).normal(size=(40, 2)), {"a": np.array([3.0, -2.0])}, []

    def until(fraction):
        asked.append(fraction)
        if fraction > 0.7 and len(asked) == len(set(asked)):
            raise KeyboardInterrupt
        return 1.0

    def train(place, **settings):
        package, put = place
        rng = package.runtime.philox.PhiloxGenerator(3, like=put(x))
        trained = package.training.minibatch.train(Line, put(a), (put(x),), rng=rng, batch_size=9,
                                                   max_epochs=3, learning_rate=0.1,
                                              validation_fraction=0.0, **settings)
        return device.to_host(trained.params["a"]), trained.history["train_loss"]

    path = tmp_path / "run.npz"
    with pytest.warns(UserWarning, match="interrupted"):
        train(places[0], checkpoint=path, schedule=until)
    again, expected = train(places[resumed], checkpoint=path, schedule=until), train(places[resumed])
    np.testing.assert_allclose(again[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(again[1], expected[1], rtol=1e-12)
    assert len(again[1]) == 3


@BOTH
def test_the_state_sets_a_generator_back(package):
    rng = package.runtime.philox.PhiloxGenerator(12)
    rng.random(7)
    state = rng.bit_generator.state
    expected = rng.standard_normal(9)
    other = package.runtime.philox.PhiloxGenerator(0)
    other.bit_generator.state = state
    assert np.array_equal(other.standard_normal(9), expected)


@BOTH
def test_a_foreign_state_is_refused_by_either_kind(package):
    rng, numpys = package.runtime.philox.PhiloxGenerator(1), np.random.default_rng(1)
    with pytest.raises(ValueError, match="state: expected that of a PhiloxGenerator, got 'PCG64'"):
        rng.bit_generator.state = numpys.bit_generator.state
    with pytest.raises(ValueError, match="state: expected that of a PhiloxGenerator, got None"):
        rng.bit_generator.state = None
    with pytest.raises(ValueError, match="PCG64"):
        numpys.bit_generator.state = rng.bit_generator.state


@BOTH
@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "7", None, True])
def test_a_seed_is_a_whole_number_of_64_bits(package, seed):
    with pytest.raises(ValueError, match="seed: expected a whole number"):
        package.runtime.philox.PhiloxGenerator(seed)


@BOTH
@pytest.mark.parametrize(("limits", "name"), [((5, 5), "high"), ((0,), "high"), ((0, 2**63), "high"),
                                              ((0.5, 2), "low"),
                                              ((0, "9"), "high")])
def test_the_limits_of_integers(package, limits, name):
    with pytest.raises(ValueError, match=name):
        package.runtime.philox.PhiloxGenerator(1).integers(*limits, size=3)


@BOTH
def test_a_size_is_a_count_or_several(package):
    rng = package.runtime.philox.PhiloxGenerator(1)
    for size in (-1, 2.5, (3, -1), "3"):
        with pytest.raises(ValueError, match="size"):
            rng.random(size)
    shapes = [rng.random(size).shape for size in ((2, 0), [2, 3], np.int64(2))]
    assert shapes == [(2, 0), (2, 3), (2,)]
    assert np.ndim(rng.random()) == 0
