"""The evidence lower bound where log p(x) is known: a linear decoder with Gaussian noise (probabilistic PCA).

There p(x|c) = N(b + c W_c, W Wᵀ + σ² I), SciPy's, and the posterior of z is N((x − mean) W M⁻¹, σ² M⁻¹)
with M = Wᵀ W + σ² I. With orthogonal columns of W it is diagonal, so that an encoder of one layer can be
it. The integrand of the first term is then a quadratic of ε: its mean over the 2L points ±√L eᵢ is its
expectation, exactly.
"""
import numpy as np
import pytest
from scipy import integrate, stats

import accel
import reference
from tests.agreement.registry import painted, random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
DIM, LATENT, CONTEXT, SIGMA = 4, 2, 2, 0.6


def linear(package, context_dim=CONTEXT, seed=0):
    """Painted parameters of networks of one layer."""
    paint = np.random.default_rng(seed)
    tree = package.generative.vae.init_params(paint, dim=DIM, n_latent=LATENT, context_dim=context_dim,
                                              hidden=())
    return random_tree(paint, tree, 0.8)


def evidence(params, x, context):
    """log p(x|c) by SciPy, (N,)."""
    layer = params["decoder"][0]
    bias, w_c, w_z = layer[0], layer[1:1 + CONTEXT], layer[1 + CONTEXT:]
    variance = np.exp(16 * np.tanh(params["log_var"][0] / 16))
    return np.array(
        [stats.multivariate_normal.logpdf(row, bias + c @ w_c, w_z.T @ w_z + variance * np.eye(DIM))
         for row, c in zip(x, context, strict=True)])


def optimum(package):
    """A decoder with orthogonal latent directions, and the encoder that is its exact posterior."""
    rng = np.random.default_rng(3)
    params = linear(package)
    directions = np.linalg.qr(rng.standard_normal((DIM, LATENT)))[0] * (1.5, 0.4)
    bias, w_c = rng.standard_normal(DIM), rng.standard_normal((CONTEXT, DIM))
    m = directions.T @ directions + SIGMA**2 * np.eye(LATENT)
    to_mean = directions @ np.linalg.inv(m)
    a = 16 * np.arctanh(np.log(SIGMA**2 / np.diag(m)) / 16)
    params["decoder"][0] = np.vstack((bias, w_c, directions.T))
    params["encoder"][0] = np.vstack((np.concatenate((-bias @ to_mean, a)),
                                      np.hstack((-w_c @ to_mean, np.zeros((CONTEXT, LATENT)))),
                                      np.hstack((to_mean, np.zeros((DIM, LATENT))))))
    params["log_var"] = np.array([16 * np.arctanh(np.log(SIGMA**2) / 16)])
    return params


def data(n=25, seed=1):
    paint = np.random.default_rng(seed)
    return 2 * painted(paint, (n, DIM)), painted(paint, (n, CONTEXT))


def expected(package, params, x, context):
    """The bound and its two terms, the expectation exact."""
    noise = [np.tile(sign * np.sqrt(LATENT) * axis, (len(x), 1)) for sign in (1, -1)
             for axis in np.eye(LATENT)]
    terms = [package.generative.elbo.elbo_terms(params, x, eps, context) for eps in noise]
    bound = np.mean([package.generative.elbo.elbo(params, x, eps, context) for eps in noise], axis=0)
    return bound, np.mean([both.log_likelihood for both in terms], axis=0), terms[0].kl


@BOTH
@pytest.mark.parametrize("seed", range(20))
def test_the_bound_is_below_log_p_whatever_the_parameters(package, seed):
    """And with the KL added in place of subtracted, or its sign as the lectures print it, it is no bound."""
    params, (x, context) = linear(package, seed=seed), data()
    bound, log_likelihood, kl = expected(package, params, x, context)
    log_p = evidence(params, x, context)
    assert np.all(bound <= log_p + 1e-10)
    assert np.any(log_likelihood + kl > log_p), "E + KL must not pass for a bound"
    assert np.any(-(log_likelihood
                    + kl) > log_p), "−(E + KL), as S0, S2 and S4 print it, must not pass for a bound"


@BOTH
def test_the_bound_is_log_p_where_q_is_the_posterior(package):
    params, (x, context) = optimum(package), data()
    bound, log_likelihood, kl = expected(package, params, x, context)
    log_p = evidence(params, x, context)
    assert np.abs(bound - log_p).max() < 1e-10
    assert np.abs(bound - log_likelihood + kl).max() < 1e-12
    assert np.abs(-(log_likelihood + kl) - log_p).max() > 1, "the lectures' sign must not pass"
    params["encoder"][0][0, LATENT] += 0.3                            # a q that is a little too wide
    assert (log_p - expected(package, params, x, context)[0]).min() > 1e-3


@BOTH
def test_every_importance_weight_is_p_where_q_is_the_posterior(package):
    """w = p(x, z)/q(z|x) = p(x) for every z: the bound is exact from any noise, even from one draw."""
    params, (x, context), rng = optimum(package), data(), np.random.default_rng(2)
    for n in (1, 2, 30):
        bound = package.generative.elbo.importance_weighted_bound(
            params, x, 3 * rng.standard_normal((n, len(x), LATENT)), context)
        assert np.abs(bound - evidence(params, x, context)).max() < 1e-9


@BOTH
def test_the_importance_weighted_bound_rises_to_log_p(package, seed):
    """Means over 2,000 replicas of 5 samples: each step of S up by more than 4 standard errors, none above
    log p, the last near it."""
    params, (x, context), rng = optimum(package), data(5), np.random.default_rng(seed)
    params["encoder"][0][0] += (0.4, -0.5, 0.6, 0.3)                   # means and widths that are wrong
    log_p, replicas = evidence(params, x, context).mean(), 2000
    x, context = (np.repeat(a, replicas, axis=0) for a in (x, context))
    noise = rng.standard_normal((256, len(x), LATENT))
    gaps = []
    for n in (1, 4, 16, 64, 256):
        bound = package.generative.elbo.importance_weighted_bound(params, x, noise[:n],
                                                                  context).reshape(5, replicas).mean(axis=0)
        gaps.append((log_p - bound.mean(), bound.std() / np.sqrt(replicas)))
    means, errors = np.array(gaps).T
    assert np.all(means > -4 * errors)
    assert np.all(means[:-1] - means[1:] > 4 * np.hypot(errors[:-1], errors[1:]))
    assert means[0] > 0.2 and means[-1] < 0.01
    elbo = package.generative.elbo.elbo(params, x, noise[0], context)
    error = np.hypot(elbo.std() / np.sqrt(len(x)), errors[0])
    assert abs(log_p - elbo.mean() - means[0]) < 4 * error, "from one draw it is the ELBO"


@BOTH
@pytest.mark.parametrize("mean, log_var", [(0.0, 0.0), (1.3, -2.0), (-0.4, 1.1), (3.0, -9.0)])
def test_kl_is_the_integral(package, mean, log_var):
    """Of q log(q/p), by quadrature with SciPy's normal densities; L = 1."""
    params = package.generative.vae.init_params(np.random.default_rng(0), dim=1, n_latent=1, hidden=())
    params["encoder"][0] = np.array([[mean, 16 * np.arctanh(log_var / 16)], [0.0, 0.0]])
    q, p = stats.norm(mean, np.exp(log_var / 2)), stats.norm()
    ends = q.mean() - 12 * q.std(), q.mean() + 12 * q.std()
    expected = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *ends, points=[q.mean()],
                              epsabs=1e-12)[0]
    terms = package.generative.elbo.elbo_terms(params, np.zeros((3, 1)), np.zeros((3, 1)))
    assert np.abs(terms.kl - expected).max() < 1e-9


@BOTH
@pytest.mark.parametrize("context_dim", [0, CONTEXT])
def test_one_sample_in_one_dimension_by_hand(package, context_dim):
    """Decoder f = 3 + 2z (+ 10c₁), encoder μ = x − 1 (+ c₂), ℓ = 0; x = 2, ε = ½, c = (1, −1), σ = 1."""
    params = package.generative.vae.init_params(np.random.default_rng(0), dim=1, n_latent=1,
                                                context_dim=context_dim, hidden=())
    encoder_context, decoder_context = [[0.0, 0.0], [1.0, 0.0]][:context_dim], [[10.0], [0.0]][:context_dim]
    params["encoder"][0] = np.array([[-1.0, 0.0], *encoder_context, [1.0, 0.0]])
    params["decoder"][0] = np.array([[3.0], *decoder_context, [2.0]])
    context = np.array([[1.0, -1.0]]) if context_dim else None
    mean, f = (0.0, 3 + 2 * 0.5 + 10) if context_dim else (1.0, 3 + 2 * 1.5)
    found = package.generative.elbo.encode(params, np.array([[2.0]]), context)
    assert (found.mean.item(), found.log_var.item()) == (mean, 0.0)
    terms = package.generative.elbo.elbo_terms(params, np.array([[2.0]]), np.array([[0.5]]), context)
    assert abs(terms.log_likelihood.item() + 0.5 * (2 - f)**2 + 0.5 * np.log(2 * np.pi)) < 1e-14
    assert terms.kl.item() == 0.5 * mean**2


@BOTH
# autograd's 1/cosh² far out, which is 0
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["GAUSSIAN", "BERNOULLI"])
def test_huge_weights_do_not_overflow(package, dtype, kind):
    likelihood = getattr(package.generative.likelihoods, kind)
    params = package.generative.vae.init_params(np.random.default_rng(0), dim=3, n_latent=2, hidden=(4,),
                                                likelihood=likelihood)
    params = {name: [1e4 * layer.astype(dtype) for layer in leaf] if isinstance(leaf, list)
              else (leaf - 1e3).astype(dtype) for name, leaf in params.items()}
    x, noise = np.array([[0.1, 0.5, 1.0]], dtype), np.array([[3.0, -2.0]], dtype)
    terms = package.generative.elbo.elbo_terms(params, x, noise, likelihood=likelihood)
    value, grads = package.generative.vae.loss_and_grad(params, x, noise, likelihood=likelihood)
    assert np.isfinite(terms.log_likelihood).all() and np.isfinite(terms.kl).all() and np.isfinite(value)
    assert all(np.isfinite(leaf).all() for _, leaf in package.runtime.tree.leaves(grads))
