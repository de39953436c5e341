"""A bent, skewed posterior in a box, whose moments and evidence are known by quadrature: what every sampler
must reproduce."""
import functools

import numpy as np
from numpy.polynomial.legendre import leggauss

__all__ = ["LOW", "HIGH", "log_likelihood", "gradient", "features", "known", "target", "gaps"]

LOW, HIGH = np.array([-2.0, -1.0]), np.array([3.0, 4.0])


def log_likelihood(theta):
    """θ (N, 2) → (N,): a banana with an exponential edge on one side."""
    a, b = theta[:, 0], theta[:, 1]
    return -0.5 * ((0.9 - a) / 0.4)**2 - 0.5 * ((b - 0.7 * a**2) / 0.6)**2 - np.exp(-2 * b) + 0.8 * b


def gradient(theta):
    """With respect to θ, (N, 2)."""
    a, b = theta[:, 0], theta[:, 1]
    pull = (b - 0.7 * a**2) / 0.6**2
    return np.stack(((0.9 - a) / 0.4**2 + 1.4 * a * pull, 2 * np.exp(-2 * b) + 0.8 - pull), axis=1)


def features(theta):
    """What is compared: means, squares, product, cube and two tail probabilities, (N, 8)."""
    a, b = theta[:, 0], theta[:, 1]
    return np.stack((a, b, a**2, b**2, a * b, (b - 1)**3, b > 2.0, a < 0.0), axis=1)


@functools.cache
def known(power=1.0):
    """Every feature's expectation, and the log-evidence, of the likelihood to a power: by Gauss and Legendre,
    400 nodes a side."""
    node, weight = leggauss(400)
    sides = [(low + high) / 2 + (high - low) / 2 * node for low, high in zip(LOW, HIGH)]
    theta = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.outer(weight, weight).reshape(-1) / 4 * np.exp(power * log_likelihood(theta))
    return mass @ features(theta) / mass.sum(), np.log(mass.sum())


def target(package, slope=gradient):
    """The posterior in unconstrained space, for samplers of the package."""
    prior = package.priors.BoxUniform(LOW, HIGH)

    def log_likelihood_and_grad(u):
        theta, _ = prior.to_constrained(u)
        return log_likelihood(theta), prior.to_constrained_vjp(u, slope(theta))
    return package.inference.target.Target(prior, lambda u: log_likelihood(prior.to_constrained(u)[0]),
                                           log_likelihood_and_grad)


def gaps(draws, package, power=1.0):
    """By how many standard errors each feature's mean over all chains misses what is known, (8,); the errors
    from its own ESS."""
    prior, (n_chains, n, dim) = package.priors.BoxUniform(LOW, HIGH), draws.chains.u.shape
    values = features(prior.to_constrained(draws.chains.u.reshape(-1, dim))[0])
    ess = package.validation.convergence.effective_sample_size(values.reshape(n_chains, n, -1))
    return (values.mean(axis=0) - known(power)[0]) / (values.std(axis=0) / np.sqrt(ess))
