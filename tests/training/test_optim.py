"""Adam, clipping and schedules against numbers worked by hand; the worked numbers are literals, never the
code's formula."""
import numpy as np
import pytest

import accel
import reference

PACKAGES = [pytest.param(reference, id="reference"), pytest.param(accel, id="accel")]


@pytest.mark.parametrize("package", PACKAGES)
def test_three_steps_of_adam_by_hand(package):
    """With β₁ = β₂ = ½, η = 1 and ε = 0, from w = 0, the gradients 1, 3 and −2:

    t = 1:  m = 1/2, v = 1/2;      m̂ = 1,  v̂ = 1;       w = −1
    t = 2:  m = 7/4, v = 19/4;     m̂ = 7/3, v̂ = 19/3;   w = −1 − (7/3)/√(19/3) = −1 − 7/√57
    t = 3:  m = −1/8, v = 35/8;    m̂ = −1/7, v̂ = 5;     w = −1 − 7/√57 + 1/(7√5)
    """
    optim, params = package.training.optim, {"w": np.zeros(1)}
    state = optim.init_adam(params)
    expected = (-1.0, -1.927172650, -1.863284993)              # √57 = 7.549834435, √5 = 2.236067977
    moments = ((1 / 2, 1 / 2), (7 / 4, 19 / 4), (-1 / 8, 35 / 8))
    for gradient, w, (m, v) in zip((1.0, 3.0, -2.0), expected, moments):
        params, state = optim.adam_step(params, {"w": np.array([gradient])}, state, learning_rate=1.0,
                                        beta1=0.5, beta2=0.5, epsilon=0.0)
        np.testing.assert_allclose(params["w"], w, atol=1e-9)
        np.testing.assert_allclose((state.mean["w"][0], state.square["w"][0]), (m, v), atol=1e-15)
    assert state.step == 3


@pytest.mark.parametrize("package", PACKAGES)
def test_epsilon_is_added_to_the_root_after_the_bias_is_undone(package):
    """One step with g = 3 and ε = 1: m̂ = 3, √v̂ = 3, so w = −η · 3/(3 + 1) = −0.075, whatever the betas."""
    optim, params = package.training.optim, {"w": np.zeros(2)}
    for betas in ((0.9, 0.999), (0.5, 0.25)):
        moved, _ = optim.adam_step(params, {"w": np.array([3.0, -3.0])}, optim.init_adam(params),
                                   learning_rate=0.1, beta1=betas[0], beta2=betas[1], epsilon=1.0)
        np.testing.assert_allclose(moved["w"], [-0.075, 0.075], atol=1e-15)
        params = {"w": np.zeros(2)}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_default_step_has_the_size_of_the_learning_rate(package):
    """Adam's first step is η in the direction of the sign, for gradients of any size; a zero gradient moves
    nothing."""
    optim, params = package.training.optim, {"a": np.zeros(3), "b": [np.zeros((1, 1))]}
    grads = {"a": np.array([1e-3, -1e3, 0.0]), "b": [np.array([[5.0]])]}
    moved, _ = optim.adam_step(params, grads, optim.init_adam(params))
    np.testing.assert_allclose(moved["a"], [-1e-3, 1e-3, 0.0], rtol=2e-5)
    np.testing.assert_allclose(moved["b"][0], [[-1e-3]], rtol=2e-5)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_adam_finds_the_bottom_of_a_quadratic(package, schedule):
    """f = ½ Σ cᵢ (wᵢ − bᵢ)² with curvatures 0.1 to 100."""
    optim, bottom, curvature = package.training.optim, np.array([3.0, -2.0, 0.5]), np.array([0.1, 1.0, 100.0])
    params, steps = {"w": np.zeros(3)}, 3000
    state, schedule = optim.init_adam(params), getattr(optim, schedule)
    for t in range(steps):
        grads = {"w": curvature * (params["w"] - bottom)}
        params, state = optim.adam_step(params, grads, state, learning_rate=0.05 * float(schedule(t / steps)))
    np.testing.assert_allclose(params["w"], bottom, atol=1e-3)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_state_survives_a_pause(package):
    """Ten steps are five and five more."""
    optim, rng = package.training.optim, np.random.default_rng(0)
    gradients = [{"w": rng.normal(size=4)} for _ in range(10)]

    def run(pieces):
        params = {"w": np.ones(4)}
        state = optim.init_adam(params)
        for piece in pieces:
            for grads in piece:
                params, state = optim.adam_step(params, grads, state, learning_rate=0.1)
            params = {"w": np.array(params["w"])}
            state = optim.AdamState(state.step, {"w": np.array(state.mean["w"])},
                                    {"w": np.array(state.square["w"])})
        return params["w"]

    assert np.array_equal(run([gradients]), run([gradients[:5], gradients[5:]]))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_step_makes_new_trees(package):
    """The same parameters, gradient and state give the same step twice."""
    tree, optim = package.runtime.tree, package.training.optim
    params = {"a": np.ones((2, 2)), "b": np.ones(1)}
    grads = {"a": np.full((2, 2), 3.0), "b": np.full(1, -1.0)}
    params, state = optim.adam_step(params, grads, optim.init_adam(params), learning_rate=0.5)
    first, second = (optim.adam_step(params, grads, state, learning_rate=0.5) for _ in range(2))
    assert np.array_equal(tree.ravel(first[0]), tree.ravel(second[0]))
    assert first[1].step == second[1].step == 2
    clipped, norm = optim.clip_by_norm(grads, 1.0)
    assert norm > 1 and grads["a"][0, 0] == 3 and not np.shares_memory(clipped["a"], grads["a"])


def test_accel_leaves_gradients_and_plain_parameters_alone():
    optim, params, grads = accel.training.optim, {"w": np.zeros(3)}, {"w": np.ones(3)}
    optim.adam_step(params, grads, optim.init_adam(params))
    assert (params["w"] == 0).all() and (grads["w"] == 1).all()


@pytest.mark.parametrize("package", PACKAGES)
def test_clipping_by_hand(package):
    """‖(3, 4, 12)‖ = 13: clipped to 1 every entry shrinks by 13, clipped to 26 none does."""
    clip = package.training.optim.clip_by_norm
    for limit, expected in ((1.0, (3 / 13, 4 / 13, 12 / 13)), (26.0, (3.0, 4.0, 12.0)),
                            (13.0, (3.0, 4.0, 12.0))):
        clipped, norm = clip({"a": np.array([3.0, 4.0]), "b": [np.array([[12.0]])]}, limit)
        np.testing.assert_allclose([*clipped["a"], clipped["b"][0][0, 0]], expected, rtol=1e-15)
        assert norm == 13.0


@pytest.mark.parametrize("package", PACKAGES)
def test_clipping_zero_and_nan(package):
    clip = package.training.optim.clip_by_norm
    clipped, norm = clip({"a": np.zeros(3)}, 1.0)
    assert norm == 0 and (clipped["a"] == 0).all()
    clipped, norm = clip({"a": np.array([np.nan, 1.0])}, 1.0)
    assert np.isnan(norm) and np.isnan(clipped["a"][0]), (
        "a bad gradient stays bad, for the training loop to stop at")


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(("name", "points"), [
    ("constant", {0.0: 1.0, 0.3: 1.0, 1.0: 1.0}),
    ("cosine", {0.0: 1.0, 1 / 3: 0.75, 0.5: 0.5, 2 / 3: 0.25, 1.0: 0.0}),
    ("one_cycle", {0.0: 0.0, 0.025: 0.25, 0.05: 0.5, 0.1: 1.0, 0.4: 0.75, 0.55: 0.5, 0.7: 0.25, 1.0: 0.0})])
def test_schedules_at_known_points(package, name, points):
    """cos π/3 = ½; the cycle falls from 0.1 to 1, so that 0.4, 0.55 and 0.7 are a third, a half and two
    thirds of its way."""
    for fraction, expected in points.items():
        assert abs(getattr(package.training.optim, name)(fraction) - expected) < 1e-15
