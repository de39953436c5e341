"""The kernels of score networks: what they promise beyond agreeing with array code."""
import functools
import warnings

import numpy as np
import pytest

from accel import device
from accel.kernels import cuda
from accel.runtime.philox import PhiloxGenerator
from accel.runtime.tree import ravel
from accel.density import gmm, mixture_score
from accel.generative import langevin, score_matching, score_network
from accel.kernels.dsm import launch as dsm_kernel
from accel.kernels.score import form, layout
from accel.representation import pca
from tests.agreement import harness
from tests.agreement.backends import accel_backends, uses_cuda

BACKENDS = {backend.dtype: backend for backend in accel_backends().values() if backend.kernels}
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not BACKENDS, reason="kernels run on the CPU through g++"),
    *([pytest.mark.gpu] if uses_cuda() else []),
]
DIM, HIDDEN, SIGMAS = 3, (6, 5), (2.0, 0.8, 0.3)


@pytest.fixture(params=BACKENDS.values(), ids=lambda backend: backend.name)
def on(request):
    with device.kernels(True):
        yield request.param


@pytest.fixture
def wide():
    """The same in float64 alone, for what does not depend on the dtype."""
    with device.kernels(True):
        yield BACKENDS["float64"]


def params(on, seed=0, hidden=HIDDEN):
    rng = np.random.default_rng(seed)
    layers = score_matching.init_params(rng, dim=DIM, hidden=hidden)["layers"]
    return on.put({"layers": [0.4 * rng.standard_normal(layer.shape) for layer in layers]})


def points(on, n, seed=1):
    return on.put(np.random.default_rng(seed).standard_normal((n, DIM)))


def network(on):
    return functools.partial(score_matching.score, params(on))


def mixture(on, kind=gmm.FULL):
    """Three components, the first of which nobody draws from."""
    roots = np.random.default_rng(4).standard_normal((3, DIM, DIM)) + 2 * np.eye(DIM)
    full = kind is gmm.FULL
    covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(DIM) if full else roots[:, 0]**2 + 0.3
    means = np.random.default_rng(5).standard_normal((3, DIM))
    made = gmm.GaussianMixture(np.array([0.0, 0.7, 0.3]), means, covariances, kind, np.zeros(1), True)
    return functools.partial(mixture_score.score, on.put(made))


def launches_of(function, *args, **settings):
    """The names of the kernels that a call launches, but for the generator's own."""
    with harness._launches() as launched:
        function(*args, **settings)
    return [name for name in launched if not name.startswith("fill_")]


class TestTraining:
    """Two models, three steps of forty rows out of ninety."""
    E, S, B, N = 2, 3, 40, 90

    def inputs(self, on):
        rng = np.random.default_rng(5)
        flat = on.xp.stack([ravel(params(on, seed)) for seed in range(self.E)])
        rows = on.xp.asarray(rng.integers(0, self.N, (self.E, self.S, self.B)).astype(np.int32))
        noise = on.put((rng.random((self.E, self.S, self.B)),
                        rng.standard_normal((self.E, self.S, self.B, DIM))))
        x = points(on, self.N)
        settings = {"sigmas": SIGMAS, "spread": 0.7, "tau": score_network.TAU}
        return flat, rows, noise, x, dsm_kernel.step(params(on), (x,), self.B, **settings)

    def run(self, step, flat, rows, cursor, noise):
        xp, n_blocks = step.xp, step.n_blocks(rows.shape[2], len(flat))
        partial = xp.full((len(flat), n_blocks, flat.shape[1]), np.nan, dtype=flat.dtype)
        cursor = xp.full(1, cursor, np.int32)
        losses, again = (xp.full((len(flat), n_blocks), np.nan, dtype=flat.dtype) for _ in range(2))
        step.gradient(flat, rows, cursor, noise, partial, losses)
        step.loss(flat, rows, cursor, noise, again)
        np.testing.assert_allclose(losses.get(), again.get(), rtol=8 * np.finfo(flat.dtype).eps)
        return partial.get(), losses.get()

    def test_models_side_by_side_are_single_models(self, on):
        flat, rows, noise, _, step = self.inputs(on)
        partial, losses = self.run(step, flat, rows, 1, noise)
        assert partial.shape[1] == 10 and np.isfinite(partial).all()
        for e in range(self.E):
            alone = self.run(step, flat[e:e + 1].copy(), rows[e:e + 1].copy(), 1,
                             [a[e:e + 1].copy() for a in noise])
            np.testing.assert_array_equal(alone[0][0], partial[e])
            np.testing.assert_array_equal(alone[1][0], losses[e])
        again = self.run(step, flat, rows, 1, noise)
        np.testing.assert_array_equal(again[0], partial)
        other = self.run(step, flat, rows, 2, noise)[0]
        assert not np.array_equal(other, partial), "the control: another step has other rows"

    def test_a_step_is_the_loss_of_the_rows_it_names(self, on):
        flat, rows, noise, x, step = self.inputs(on)
        partial, losses = self.run(step, flat, rows, 2, noise)
        for e in range(self.E):
            batch = [x.get()[rows[e, 2].get()], *(a[e, 2].get() for a in noise)]
            host = {"layers": [layer.get() for layer in params(on, e)["layers"]]}
            value, grads = score_matching.loss_and_grad(host, *batch, sigmas=SIGMAS, spread=0.7)
            rtol, atol = (1e-10, 1e-12) if on.dtype == "float64" else (1e-4, 1e-5)
            np.testing.assert_allclose(losses[e].sum(), value, rtol=rtol, atol=atol)
            np.testing.assert_allclose(partial[e].sum(axis=0), ravel(grads), rtol=rtol, atol=atol)

    def test_more_tiles_than_blocks(self, wide, monkeypatch):
        flat, rows, noise, _, step = self.inputs(wide)
        many = self.run(step, flat, rows, 0, noise)[0].sum(axis=1)
        monkeypatch.setattr(cuda, "multiprocessors", lambda xp: 4)
        few, _ = self.run(step, flat, rows, 0, noise)
        assert few.shape[1] == 2
        np.testing.assert_allclose(few.sum(axis=1), many, rtol=1e-12, atol=1e-14)

    def test_a_level_that_is_no_number_stays_within_the_ladder(self, wide):
        flat, rows, noise, _, step = self.inputs(wide)
        noise[0][0, 0, :3] = wide.put(np.array([np.nan, 1.0, -5.0]))
        assert np.isfinite(self.run(step, flat, rows, 0, noise)[1]).all()


class TestWalks:
    def settings(self, n_steps=7, **more):
        return {"sigmas": SIGMAS, "step_size": 0.02, "n_steps": n_steps, "denoise": True} | more

    def test_one_launch_for_the_steps_of_a_level(self, on):
        """Three levels and the denoising step; two for a level of more than a hundred steps."""
        x, model = points(on, 50), network(on)
        for n_steps, launches in ((7, 4), (101, 7)):
            launched = launches_of(langevin.annealed, PhiloxGenerator(3, like=x), model, x,
                                   **self.settings(n_steps))
            assert launched == ["walk"] * launches

    def test_the_chains_do_not_depend_on_tiles_nor_on_the_others(self, on, monkeypatch):
        """A chain's numbers depend on its place alone, to the last bit: in a wide tile or in narrow ones."""
        x, model, found = points(on, 300), network(on), []
        for n_processors in (132, 3, 1):
            monkeypatch.setattr(cuda, "multiprocessors", lambda xp, n=n_processors: n)
            found.append(langevin.annealed(PhiloxGenerator(3, like=x), model, x, **self.settings()).x.get())
        tiles = {layout.plan(on.xp, DIM, HIDDEN, DIM, on.dtype, 300).tile}
        monkeypatch.undo()
        tiles.add(layout.plan(on.xp, DIM, HIDDEN, DIM, on.dtype, 300).tile)
        assert len(tiles) == 2
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])

    def test_weights_that_are_not_staged(self, on, monkeypatch):
        """As for networks that are wider than shared memory."""
        x, model = points(on, 40), network(on)
        expected = langevin.annealed(PhiloxGenerator(3, like=x), model, x, **self.settings()), model(x, 0.5)
        whole = layout.plan(on.xp, DIM, HIDDEN, DIM, on.dtype, 40)
        assert whole.resident

        def unstaged(xp, dim, widths, inputs, dtype, n):
            return layout.geometry(dim, widths, inputs, dtype, n, tile=whole.tile, resident=False)
        monkeypatch.setattr(layout, "plan", unstaged)
        found = langevin.annealed(PhiloxGenerator(3, like=x), model, x, **self.settings()), model(x, 0.5)
        np.testing.assert_array_equal(found[0].x.get(), expected[0].x.get())
        np.testing.assert_array_equal(found[1].get(), expected[1].get())

    @pytest.mark.parametrize("score", [network, mixture])
    @pytest.mark.parametrize(("step", "chains"), [(1, (0,)), (9, (2, 30)), (14, (39,)), (104, (5,))])
    def test_a_chain_that_fails_is_named_at_its_step(self, on, score, step, chains):
        """One draw of noise is not a number; the chains are returned as the noise before it left them."""
        class Failing:
            calls = 0

            def standard_normal(self, shape):
                self.calls += 1
                z = np.random.default_rng(self.calls).standard_normal(shape)
                if self.calls == step:
                    z[list(chains), 1] = np.nan
                return on.put(z)
        x, model, per_level = points(on, 40), score(on), 7 if step < 100 else 120
        with pytest.raises(langevin.NonFiniteScoreError, match=f"{len(chains)} of 40 chains") as caught:
            langevin.annealed(Failing(), model, x, **self.settings(per_level, every=2))
        level, place = divmod(step - 1, per_level)
        assert (caught.value.level, caught.value.step) == (level + 1, place + 1)
        with device.kernels(False), pytest.raises(langevin.NonFiniteScoreError) as array:
            langevin.annealed(Failing(), model, x, **self.settings(per_level, every=2))
        assert str(array.value) == str(caught.value)
        for error in (caught, array):
            assert error.value.samples.trajectory.shape == ((step - 1) // 2, 40, DIM)
        close = {"rtol": 0, "atol": 1e-4 if on.dtype == "float32" else 1e-11}
        np.testing.assert_allclose(caught.value.samples.x.get(), array.value.samples.x.get(), **close)

    def test_variance_of_the_autoregression(self, wide):
        """A silent network is a Gaussian's score: xₜ = φ xₜ₋₁ + √ε zₜ, φ = 1 − ε/2v, has the variance
        ε/(1 − φ²) and the mean m in the end."""
        variances, mean, n, epsilon = np.array([0.5, 2.0, 1.0]), np.array([1.0, -2.0, 3.0]), 4000, 0.4
        silent = params(wide)
        silent["layers"][-1][...] = 0
        axes = pca.PCA(*wide.put((mean, np.eye(3), variances - 0.01)), False)
        model = score_matching.ScoreModel(silent, axes, 1.3, np.array([0.1]), {})
        start = wide.put(mean) + points(wide, n)
        x = langevin.unadjusted(PhiloxGenerator(11, like=start), model.score, start, step_size=epsilon,
                                n_steps=60, sigma=0.1).x.get()
        phi = 1 - epsilon / (2 * variances)

        def off(expected):
            return np.abs(x.var(axis=0, ddof=1) / expected - 1) / np.sqrt(2 / (n - 1))
        assert off(epsilon / (1 - phi**2)).max() < 4
        assert np.abs((x.mean(axis=0) - mean) / (x.std(axis=0) / np.sqrt(n))).max() < 4
        assert off(variances).max() > 4, "the control: it is too wide at this step"

    @pytest.mark.parametrize("kind", [gmm.FULL, gmm.DIAGONAL])
    def test_a_mixture_is_walked_as_in_array_code(self, on, kind):
        """With a component of no weight, more chains than a block has, and sigma zero."""
        x, score = points(on, 300), mixture(on, kind)
        settings = {"step_size": 0.1, "n_steps": 5}
        with np.errstate(divide="ignore"):
            assert launches_of(langevin.unadjusted, PhiloxGenerator(1, like=x), score, x,
                               **settings) == ["walk"]
            found = langevin.unadjusted(PhiloxGenerator(1, like=x), score, x, **settings).x.get()
            with device.kernels(False):
                expected = langevin.unadjusted(PhiloxGenerator(1, like=x), score, x, **settings).x.get()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if on.dtype == "float32" else 1e-13)

    def test_any_other_score_is_walked_in_array_code(self, wide):
        x, model, rng = points(wide, 5), network(wide), np.random.default_rng(0)
        settings = {"step_size": 0.1, "n_steps": 3, "sigma": 0.5}
        assert not launches_of(langevin.unadjusted, rng, lambda x, sigma: -x, x, **settings)
        wrapped = launches_of(langevin.unadjusted, PhiloxGenerator(1, like=x),
                              lambda x, sigma: model(x, sigma), x, **settings)
        assert wrapped == ["pack", "score"] * 3, "a network behind a lambda is evaluated step by step"
        with pytest.raises(ValueError, match="x: expected shape"):
            langevin.unadjusted(rng, model, x[:, :2], step_size=0.1, n_steps=3, sigma=0.5)
        with pytest.raises(ValueError, match="sigma: expected a positive"):
            langevin.unadjusted(rng, model, x, step_size=0.1, n_steps=3)


class TestForms:
    """A score says itself what it computes."""
    settings = {"sigmas": SIGMAS, "step_size": 0.02, "n_steps": 4}

    def model(self, on):
        turn = np.linalg.qr(np.random.default_rng(6).standard_normal((DIM, DIM)))[0]
        axes = pca.PCA(*on.put((np.array([1.0, -2.0, 0.5]), turn, np.array([2.0, 0.7, 0.1]))), False)
        return score_matching.ScoreModel(params(on), axes, 1.3, np.array(SIGMAS), {})

    def agrees(self, on, score, array_code):
        """The run along the score in one kernel is that along another callable in array code."""
        x = points(on, 40)
        assert set(launches_of(langevin.annealed, PhiloxGenerator(3, like=x), score, x,
                               **self.settings)) == {"walk"}
        found = langevin.annealed(PhiloxGenerator(3, like=x), score, x, **self.settings).x
        with device.kernels(False):
            expected = langevin.annealed(PhiloxGenerator(3, like=x), array_code, x, **self.settings).x
        np.testing.assert_allclose(found.get(), expected.get(), rtol=0,
                                   atol=1e-4 if on.dtype == "float32" else 1e-11)

    def test_of_a_fitted_model(self, on):
        model = self.model(on)
        self.agrees(on, model.score, lambda x, sigma: model.score(x, sigma))
        self.agrees(on, functools.partial(model.score), model.score)

    def test_a_decorator_gives_one_to_a_function(self, on):
        @form.declares(lambda params, c: form.Network(params["layers"], score_network.TAU, scale=c))
        def wider(params, c, x, sigma):
            return score_network.score(params, x / c, sigma / c) / c
        self.agrees(on, functools.partial(wider, params(on), 2.5), functools.partial(wider, params(on), 2.5))

    def test_an_object_has_it_as_a_method(self, on):
        class Shifted:
            def __init__(self, score, by):
                self.score, self.by = score, by

            def __call__(self, x, sigma):
                return self.score(x - self.by, sigma)

            def kernel_form(self):
                inner = form.form_of(self.score)
                return inner._replace(mean=inner.mean + self.by)
        shifted = Shifted(self.model(on).score, on.put(np.array([0.5, 0.0, -3.0])))
        self.agrees(on, shifted, shifted)
        assert form.form_of(shifted).mean.get()[2] == pytest.approx(-2.5)

    def test_of_a_mixture_that_is_not_fitted(self, on):
        weights, means, covariances = mixture(on).args[0][:3]

        class Exact:
            def __call__(self, x, sigma):
                whole = gmm.GaussianMixture(weights, means, covariances, gmm.FULL, on.put(np.zeros(1)), True)
                return mixture_score.score(whole, x, sigma)

            def kernel_form(self):
                return form.Mixture(weights, means, covariances)
        with np.errstate(divide="ignore"):
            self.agrees(on, Exact(), Exact())

    def test_a_score_without_one_has_none(self, wide):
        model, given = self.model(wide), functools.partial(score_matching.score, params(wide))
        for score in (lambda x, sigma: -x, lambda x, sigma: model.score(x, sigma), score_matching.score,
                      functools.partial(score_matching.score, sigma=1.0),
                      functools.partial(given, sigma=1.0)):
            assert form.form_of(score) is None
        assert form.form_of(functools.partial(given, spread=0.7)).spread == 0.7
        assert form.form_of(model.score).axes is model.axes.components

    def test_something_else_is_refused(self, wide):
        @form.declares(lambda: "a network")
        def score(x, sigma):
            return -x
        with pytest.raises(ValueError, match="kernel_form: expected a Network or a Mixture, got str"):
            langevin.unadjusted(np.random.default_rng(0), score, points(wide, 3), step_size=0.1, n_steps=1)

    @pytest.mark.parametrize("change", [{"layers": None}, {"axes": np.eye(2)}])
    def test_one_that_does_not_fit_the_chains_runs_in_array_code(self, wide, change):
        """A network on the host beside chains on the device; axes of another size."""
        host = {"layers": [layer.get() for layer in params(wide)["layers"]]}
        change = {name: host["layers"] if value is None else wide.put(value)
                  for name, value in change.items()}
        shape = form.Network(params(wide)["layers"], score_network.TAU)._replace(**change)
        x, score = points(wide, 3), form.declares(lambda: shape)(lambda x, sigma: -x)
        assert not launches_of(langevin.unadjusted, np.random.default_rng(0), score, x, step_size=0.1,
                               n_steps=2, sigma=0.5)


def test_beyond_the_kernels_array_code_says_so_once(wide):
    cuda.fall_back.cache_clear()
    deep = params(wide, hidden=(3, 3, 3, 3, 3))
    x, noise = points(wide, 4), (wide.put(np.full(4, 0.5)), points(wide, 4, seed=2))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(2):
            found = score_matching.score(deep, x, 0.5)
            score_matching.loss_and_grad(deep, x, *noise, sigmas=SIGMAS)
    assert sorted(str(w.message).partition(";")[0] for w in said) == [
        "a score network of 3 dimensions with hidden layers (3, 3, 3, 3, 3) is beyond the kernels",
        "a score network of 3 dimensions with hidden layers (3, 3, 3, 3, 3) is beyond the training kernel"]
    with device.kernels(False):
        np.testing.assert_array_equal(score_matching.score(deep, x, 0.5).get(), found.get())
