"""Mixture density networks: against SciPy's normal densities, quadrature, and an inverse problem with two
answers."""
import numpy as np
import pytest
from scipy import integrate, stats

import accel
import reference
from accel.runtime import _vector
from tests.agreement.comparator import assert_close
from tests.support import flow_checks
from tests.support.flow_checks import BOTH, inputs

MDN = reference.density.mdn
PARTS = [(0.5, [-1.0, -0.5, 0.3], [[0.25, 0.1, 0.0], [0.1, 0.5, -0.2], [0.0, -0.2, 0.4]]),
         (0.3, [1.0, 1.0, 2.0], [[0.4, -0.2, 0.1], [-0.2, 0.3, 0.0], [0.1, 0.0, 0.09]]),
         (0.2, [0.8, -0.8, -1.5], [[0.6, 0.45, 0.2], [0.45, 0.5, 0.1], [0.2, 0.1, 1.3]])]


def written_down(parts):
    """Parameters without context whose mixture is the given one, the factors by Cholesky: Σ = C Cᵀ, C⁻¹ =
    diag(e⁻ˢ)(I + L)."""
    dim = len(parts[0][1])
    inverse = [np.linalg.inv(np.linalg.cholesky(cov)) for _, _, cov in parts]
    log_width = np.array([-np.log(np.diag(f)) for f in inverse]).T
    heads = {"weights": np.log([[weight for weight, _, _ in parts]]) + 1.7,
             "means": np.array([mean for _, mean, _ in parts]).T[None],
             "widths": 7 * np.arctanh(log_width / 7)[None]}
    if dim > 1:
        heads["couplings"] = (
            np.array([(f / np.diag(f)[:, None])[np.tril_indices(dim, -1)] for f in inverse]).T[None])
    return {"layers": [], "heads": heads}


def exact(parts, x):
    return np.log(sum(weight * stats.multivariate_normal.pdf(x, mean, cov) for weight, mean, cov in parts))


def network(dim=3, context_dim=2, scale=0.4, covariance=MDN.FULL, seed=5):
    tree, rng = reference.runtime.tree, np.random.default_rng(seed)
    params = MDN.init_params(rng, dim=dim, context_dim=context_dim, n_components=4, hidden=(7, 5),
                             covariance=covariance)
    return tree.tree_map(lambda leaf: leaf + scale * rng.standard_normal(leaf.shape), params)


@BOTH
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_density_is_scipys_mixture(package, dim):
    parts = [(weight, mean[:dim], np.array(cov)[:dim, :dim]) for weight, mean, cov in PARTS]
    x = np.random.default_rng(0).normal(0, 2, (200, dim))
    assert_close(package.density.mdn.log_prob(written_down(parts), x), exact(parts, x), terms=20)


@BOTH
def test_components_are_those_written_down(package):
    found = package.density.mdn.components(written_down(PARTS))
    for values, k in zip(found, range(3)):
        assert_close(values[0], np.array([part[k] for part in PARTS]), terms=20)


@BOTH
def test_each_row_of_the_context_has_its_own_mixture(package):
    """What components says of a row is the density that log_prob gives there, and another row's is not."""
    params, (x, c) = network(), inputs(5)
    found = package.density.mdn.components(params, c)
    expected = np.array([exact(list(zip(weights, means, covs)), row[None])
                         for row, weights, means, covs in zip(x, *found)])
    assert_close(package.density.mdn.log_prob(params, x, c), expected, terms=100)
    assert np.abs(package.density.mdn.log_prob(params, x, c[::-1]) - expected)[[0, 1, 3, 4]].min() > 1e-3


@BOTH
@pytest.mark.parametrize("covariance", ["FULL", "DIAGONAL"])
def test_density_integrates_to_one(package, covariance):
    mdn = package.density.mdn
    params = network(2, 1, scale=0.15, covariance=getattr(MDN, covariance))
    edge = np.linspace(-12, 12, 601)
    grid = np.stack(np.meshgrid(edge, edge, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(mdn.log_prob(params, grid, np.full((len(grid), 1), 0.7))).reshape(601, 601)
    assert abs(integrate.trapezoid(integrate.trapezoid(density, edge), edge) - 1) < 1e-6


@BOTH
def test_diagonal_components_have_no_correlations(package):
    mdn = package.density.mdn
    found = [mdn.components(network(covariance=covariance), inputs(4)[1]).covariances
             for covariance in (MDN.DIAGONAL, MDN.FULL)]
    off = ~np.eye(3, dtype=bool)
    assert np.abs(found[0][..., off]).max() == 0 and np.abs(found[1][..., off]).min() > 0


@BOTH
def test_samples_have_the_moments_of_the_mixture(package):
    """Mean and covariance of 40,000 draws within five standard errors; those of equal weights are not."""
    drawn = package.density.mdn.sample(written_down(PARTS), np.random.default_rng(1), 40_000)
    weights, means, covs = (np.array(values) for values in zip(*PARTS))

    def moments(weights):
        mean = weights @ means
        return (mean, np.einsum("k,kij->ij", weights, covs) + np.einsum("k,ki,kj->ij", weights, means, means)
                - np.outer(mean, mean))
    error = drawn.std(axis=0) / 200
    for chosen, within in ((weights, True), (np.full(3, 1 / 3), False)):
        mean, cov = moments(chosen)
        spread = ((drawn - drawn.mean(axis=0))[:, :, None] * (drawn - drawn.mean(axis=0))[:, None, :]).std(
            axis=0) / 200
        assert (np.abs(drawn.mean(axis=0) - mean) < 5 * error).all() == within
        assert (np.abs(np.cov(drawn.T) - cov) < 5 * spread).all() == within


@BOTH
def test_draws_belong_to_their_row_of_the_context(package):
    """Kolmogorov–Smirnov of the first dimension, whose distribution function is a sum of normal ones; the
    other row's must fail."""
    params, c = network(), np.array([[0.5, -1.0], [2.0, 0.3]])
    drawn = package.density.mdn.sample(params, np.random.default_rng(4), 3000, c)
    weights, means, covs = package.density.mdn.components(params, c)
    assert drawn.shape == (2, 3000, 3)
    for row, other in ((0, 1), (1, 0)):
        def cdf(y, row):
            return stats.norm.cdf(y[:, None], means[row, :, 0], np.sqrt(covs[row, :, 0, 0])) @ weights[row]
        assert stats.kstest(drawn[row, :, 0], lambda y: cdf(y, row)).pvalue > 1e-3
        assert stats.kstest(drawn[row, :, 0], lambda y: cdf(y, other)).pvalue < 1e-6


@BOTH
@pytest.mark.parametrize(("dim", "context_dim", "covariance"),
                         [(3, 2, "FULL"), (1, 2, "FULL"), (3, 0, "FULL"), (3, 2, "DIAGONAL")])
def test_gradient_is_the_central_difference(package, dim, context_dim, covariance):
    params = network(dim, context_dim, covariance=getattr(MDN, covariance))
    flow_checks.check_gradient(package, package.density.mdn, params, *inputs(6, dim, context_dim))


@BOTH
@pytest.mark.parametrize(("dim", "context_dim"), [(3, 2), (2, 0), (1, 2)])
def test_gradients_by_row_are_central_differences(package, dim, context_dim):
    params, (x, context) = network(dim, context_dim, 0.3), inputs(6, dim, context_dim)
    flow_checks.check_gradients_by_row(package.density.mdn, params, x, context)


def test_gradient_of_the_context_is_the_central_difference():
    """What an embedding network in front of the mixture is trained with, and a likelihood's gradient in the
    parameters."""
    mdn, params, (x, c), dcontext = accel.density.mdn, network(), inputs(6), np.empty((2, 6))
    mdn.write_grads(params, _vector.empty_like(params), x, c, dcontext)
    for i, j in ((0, 0), (3, 1), (5, 0)):
        step = np.zeros_like(c)
        step[i, j] = 1e-5
        slope = (MDN.loss(params, x, c + step) - MDN.loss(params, x, c - step)) / 2e-5
        assert abs(slope - dcontext[j, i]) < 1e-8


@BOTH
def test_a_component_that_falls_onto_a_sample_keeps_the_loss_finite(package):
    """Widths stop at e⁻⁷: the density of a sample at the mean is that of a normal of that width, and no
    gradient overflows."""
    mdn, params = package.density.mdn, written_down([(0.5, [0.0], [[1.0]]), (0.5, [0.3], [[1.0]])])
    params["heads"]["widths"][...] = [[[0.0, -1e3]]]
    top = np.log(0.5 * stats.norm.pdf(0.3) + 0.5 * stats.norm.pdf(0, scale=np.exp(-7.0)))
    assert_close(mdn.log_prob(params, np.array([[0.3]]))[0], top, terms=100)
    value, grads = mdn.loss_and_grad(params, np.array([[0.3], [-2.0], [5.0]]), None)
    assert np.isfinite(value) and all(np.isfinite(leaf).all()
                                      for _, leaf in package.runtime.tree.leaves(grads))


def square_root(seed, n):
    """y ~ U(−1, 1) is seen as y² + noise: two answers for one number. Data, and log p(y|x) by quadrature."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(-1, 1, (n, 1))
    x = y**2 + 0.05 * rng.standard_normal((n, 1))
    grid = np.linspace(-1, 1, 2001)
    evidence = integrate.trapezoid(stats.norm.pdf(x, grid**2, 0.05), grid, axis=1)
    return y, x, stats.norm.logpdf(x, y**2, 0.05)[:, 0] - np.log(evidence)


@pytest.mark.parametrize("package", [pytest.param(reference, marks=pytest.mark.slow), accel],
                         ids=["reference", "accel"])
def test_both_answers_of_an_inverse_problem_are_found(package):
    """Within 0.1 nats of the exact posterior on fresh data, each root with half of the mass; one component
    alone stays far away."""
    mdn, (y, x, _) = package.density.mdn, square_root(1, 4000)
    fresh_y, fresh_x, log_p = square_root(2, 4000)
    gaps = []
    for n_components in (4, 1):
        params = mdn.init_params(np.random.default_rng(3), dim=1, context_dim=1, n_components=n_components,
                                 hidden=(24, 24))
        trained = package.training.minibatch.train(
            mdn, params, (y, x), rng=np.random.default_rng(4), learning_rate=1e-2, max_epochs=40,
            schedule=package.training.optim.cosine)
        gaps.append(np.mean(log_p - mdn.log_prob(trained.params, fresh_y, fresh_x)))
        if n_components > 1:
            drawn = mdn.sample(trained.params, np.random.default_rng(5), 4000, np.array([[0.5]]))[0, :, 0]
            assert abs(np.mean(drawn > 0) - 0.5) < 0.05
            assert np.abs(np.abs(drawn) - np.sqrt(0.5)).mean() < 0.06 and np.mean(np.abs(drawn) < 0.4) < 0.01
    assert -0.02 < gaps[0] < 0.1 and gaps[1] > 0.5


@BOTH
@pytest.mark.parametrize("settings",
                         [{"dim": 0}, {"dim": 2.0}, {"context_dim": -1}, {"n_components": 0},
                          {"covariance": "full"}])
def test_bad_architecture_is_refused(package, settings):
    flow_checks.check_architecture(package.density.mdn, settings)


@BOTH
def test_bad_inputs_are_refused(package):
    flow_checks.check_refusals(package.density.mdn, network(), network(context_dim=0))


def test_batches_of_several_sizes_in_turn_and_new_parameters():
    for scale in (0.4, 0.3):
        flow_checks.check_batches_in_turn("mdn", network(scale=scale), (5, 17, 1, 17, 3000, 5))
