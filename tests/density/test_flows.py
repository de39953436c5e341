"""What flows check of their inputs, and what they start a sample from."""
import numpy as np
import pytest

from tests.support.flow_checks import BOTH

X, CONTEXT = np.ones((4, 3)), np.ones((4, 2))


@BOTH
def test_inputs_that_fit_come_back(package):
    for context, context_dim in ((CONTEXT, 2), (None, 0)):
        x, found = package.density.flows.check_inputs(X, context, 3, context_dim)
        assert np.array_equal(x, X) and (found is None if context is None else np.array_equal(found, context))


@BOTH
@pytest.mark.parametrize(("arguments", "name"),
                         [((X[0], None, 3, 0), "x"), ((X[:, :2], None, 3, 0), "x"),
                          ((X > 0, None, 3, 0), "x"), ((X, None, 3, 2), "context"),
                          ((X, CONTEXT, 3, 0), "context"), ((X, CONTEXT[:3], 3, 2), "context"),
                          ((X, CONTEXT, 3, 1), "context")])
def test_inputs_that_do_not_fit_are_refused_by_name(package, arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        package.density.flows.check_inputs(*arguments)


@BOTH
def test_a_base_draw_has_a_block_of_rows_for_each_row_of_the_context(package):
    context = np.arange(6.0).reshape(3, 2)
    z, repeated, shape = package.density.flows.draw_base(np.random.default_rng(1), 5, 4, 2, context)
    assert np.array_equal(z, np.random.default_rng(1).standard_normal((15, 4))) and shape == (3, 5, 4)
    assert np.array_equal(np.reshape(repeated, (3, 5, 2)), np.repeat(context[:, None], 5, axis=1))
    z, repeated, shape = package.density.flows.draw_base(np.random.default_rng(1), 5, 4, 0, None)
    assert z.shape == shape == (5, 4) and repeated is None


@BOTH
@pytest.mark.parametrize(("n", "context", "context_dim"),
                         [(-1, None, 0), (3, CONTEXT, 0), (3, None, 2), (3, CONTEXT, 1)])
def test_a_base_draw_that_does_not_fit_is_refused(package, n, context, context_dim):
    with pytest.raises(ValueError, match="expected"):
        package.density.flows.draw_base(np.random.default_rng(0), n, 3, context_dim, context)
