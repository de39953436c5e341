"""MADE against what does not depend on it: autodiff Jacobians, quadrature, a known conditional density."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.support import flow_checks
from tests.support.flow_checks import BOTH, inputs, parameters

MADE = reference.density.made
CONTEXTS = pytest.mark.parametrize("context_dim", [0, 2])


@CONTEXTS
def test_the_jacobian_is_triangular_and_the_log_det_is_its_own(context_dim):
    params, (x, context) = parameters("made", 4, context_dim), inputs(5, 4, context_dim)
    for found in flow_checks.jacobians(MADE, params, x, context):
        assert np.abs(np.triu(found, 1)).max() == 0 and np.abs(found[np.tril_indices(4, -1)]).min() > 1e-6
    flow_checks.check_log_det(MADE, params, x, context)


def test_the_masks_are_needed_for_that():
    params, (x, context) = parameters("made", 4), inputs(1, 4)

    def unmasked(v):
        return reference.nets.dense.mlp(params["layers"], np.concatenate((context, v[None]), axis=1))[0, :4]
    steps = 1e-6 * np.eye(4)
    found = np.stack([(unmasked(x[0] + step) - unmasked(x[0] - step)) / 2e-6 for step in steps], axis=1)
    assert np.abs(np.triu(found, 1)).max() > 1e-3


@BOTH
@CONTEXTS
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_inverse_undoes_forward(package, dim, context_dim):
    flow_checks.check_inverse(package.density.made, parameters("made", dim, context_dim),
                              *inputs(50, dim, context_dim))


def test_the_density_integrates_to_one():
    flow_checks.check_mass(MADE, parameters("made", 2, scale=0.4))


@BOTH
def test_a_fresh_density_is_the_standard_normal(package):
    flow_checks.check_fresh(package.density.made)


def test_the_first_dimension_sees_the_context_through_the_network():
    """The first conditional is not linear in the context: it bends with it."""
    params = parameters("made")
    context = np.linspace(-2, 2, 9)[:, None] * np.ones((1, 2))
    mu, _ = MADE.conditionals(params, np.zeros((9, 3)), context)
    assert np.abs(np.diff(mu[:, 0], 2)).max() > 1e-3


@BOTH
def test_samples_have_the_density_of_log_prob(package):
    flow_checks.check_samples(package.density.made, parameters("made"))


@BOTH
def test_the_gradient_is_the_central_difference(package):
    flow_checks.check_gradient(package, package.density.made, parameters("made"), *inputs(6))


def linear_gaussian(seed, n):
    """x₁ | c and x₂ | x₁, c, both linear with normal noise, and their exact log-density."""
    rng = np.random.default_rng(seed)
    c = rng.standard_normal((n, 1))
    x1 = 0.8 * c + 0.5 * rng.standard_normal((n, 1))
    x2 = -0.6 * x1 + 0.3 * c + 0.25 * rng.standard_normal((n, 1))
    exact = stats.norm.logpdf(x1, 0.8 * c, 0.5) + stats.norm.logpdf(x2, -0.6 * x1 + 0.3 * c, 0.25)
    return np.concatenate((x1, x2), axis=1), c, exact[:, 0]


@pytest.mark.parametrize("package", [pytest.param(reference, marks=pytest.mark.slow), accel],
                         ids=["reference", "accel"])
def test_a_conditional_gaussian_is_learnt(package):
    """A single MADE can represent it: on fresh data it reaches the exact density within what 8,000 samples
    allow."""
    x, c, _ = linear_gaussian(8, 8000)
    made = package.density.made
    params = made.init_params(np.random.default_rng(1), dim=2, context_dim=1, hidden=(16, 16))
    trained = package.training.minibatch.train(
        made, params, (x, c), rng=np.random.default_rng(2), learning_rate=1e-2, max_epochs=40,
        schedule=package.training.optim.cosine)
    x, c, exact = linear_gaussian(9, 20000)
    assert 0 < np.mean(exact - made.log_prob(trained.params, x, c)) < 0.01


@BOTH
@pytest.mark.parametrize("settings", [{"dim": 0}, {"context_dim": -1}, {"hidden": ()}, {"dim": 2.0}])
def test_a_bad_architecture_is_refused(package, settings):
    flow_checks.check_architecture(package.density.made, settings)


@BOTH
def test_bad_inputs_are_refused(package):
    flow_checks.check_refusals(package.density.made, parameters("made"), parameters("made", context_dim=0))


def test_batches_of_several_sizes_in_turn():
    flow_checks.check_batches_in_turn("made", parameters("made"), (5, 17, 1, 3000, 5))
