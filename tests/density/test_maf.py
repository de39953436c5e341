"""The masked autoregressive flow against what does not depend on it: autodiff Jacobians, quadrature, central
differences."""
import numpy as np
import pytest

import reference
from tests.support import flow_checks
from tests.support.flow_checks import BOTH, inputs, parameters

MAF = reference.density.maf
CONTEXTS = pytest.mark.parametrize("context_dim", [0, 2])
SHAPES = pytest.mark.parametrize(("dim", "context_dim"), [(3, 2), (2, 0), (1, 2)])


@CONTEXTS
def test_the_log_det_is_that_of_the_autodiff_jacobian(context_dim):
    flow_checks.check_log_det(MAF, parameters("maf", 4, context_dim), *inputs(5, 4, context_dim))


@BOTH
@CONTEXTS
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_inverse_undoes_forward(package, dim, context_dim):
    flow_checks.check_inverse(package.density.maf, parameters("maf", dim, context_dim),
                              *inputs(50, dim, context_dim))


def test_the_density_integrates_to_one():
    flow_checks.check_mass(MAF, parameters("maf", 2, scale=0.4))


@BOTH
def test_a_fresh_flow_is_the_standard_normal(package):
    flow_checks.check_fresh(package.density.maf)


@BOTH
def test_one_made_is_the_flow_of_one_transform(package):
    params, (x, context) = parameters("maf", n_transforms=1), inputs(7)
    one = {"layers": params["mades"][0]}
    for found, expected in zip(package.density.maf.forward(params, x, context),
                               package.density.made.forward(one, x, context)):
        assert np.array_equal(found, expected)


@BOTH
def test_samples_have_the_density_of_log_prob(package):
    flow_checks.check_samples(package.density.maf, parameters("maf"))


@BOTH
def test_the_gradient_is_the_central_difference(package):
    flow_checks.check_gradient(package, package.density.maf, parameters("maf"), *inputs(6))


@BOTH
@SHAPES
def test_gradients_by_row_are_central_differences(package, dim, context_dim):
    params = parameters("maf", dim, context_dim, 0.3, (7, 5))
    flow_checks.check_gradients_by_row(package.density.maf, params, *inputs(6, dim, context_dim))


@BOTH
def test_masked_weights_stay_zero_in_training(package):
    maf = package.density.maf
    params = maf.init_params(np.random.default_rng(0), dim=3, context_dim=2, hidden=(8, 6))
    trained = package.training.minibatch.train(maf, params, inputs(60), rng=np.random.default_rng(1),
                                               max_epochs=3, batch_size=10, validation_fraction=0.0)
    for layers in trained.params["mades"]:
        for layer, mask in zip(layers, reference.density.made.masks({"layers": layers})):
            weights = np.asarray(layer)[1:]
            assert np.all(weights[mask == 0] == 0) and np.any(weights[mask == 1] != 0)


@BOTH
@pytest.mark.parametrize("settings",
                         [{"dim": 0}, {"context_dim": -1}, {"hidden": ()}, {"dim": 2.0}, {"n_transforms": 0}])
def test_a_bad_architecture_is_refused(package, settings):
    flow_checks.check_architecture(package.density.maf, settings)


@BOTH
def test_bad_inputs_are_refused(package):
    flow_checks.check_refusals(package.density.maf, parameters("maf"), parameters("maf", context_dim=0))


def test_batches_of_several_sizes_in_turn():
    flow_checks.check_batches_in_turn("maf", parameters("maf"), (5, 17, 1, 17, 3000, 5))
