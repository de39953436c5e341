"""PCA and Gaussian mixtures against scikit-learn

PCA of 60,000 × 784 to 50 components; 20 iterations of EM for 8 components on 100,000 × 10, both sides from
the same start. scikit-learn's PCA chooses its own solver. float32 for both, as everywhere here; what comes
out must agree first.
"""
import warnings

import numpy as np

from accel.density import gmm
from accel.representation import pca
from experiments.bench import timing


def run(xp, quick):
    return _pca(*((600, 78) if quick else (60_000, 784)), quick) + _gmm(1_000 if quick else 100_000, quick)


def _pca(n, dim, quick):
    from sklearn.decomposition import PCA
    rng = np.random.default_rng(0)
    falling = np.linspace(1, 0.01, dim, dtype=np.float32)
    x = rng.standard_normal((n, dim), np.float32) @ (rng.standard_normal((dim, dim), np.float32) * falling)
    ours, theirs = pca.fit(x, n_components=50), PCA(50, random_state=0).fit(x)
    gap = float(np.abs(ours.explained_variance / theirs.explained_variance_ - 1).max())
    if gap > 1e-4:
        raise AssertionError(f"the variances of PCA differ from scikit-learn's by {gap:.1e}, 1e-4 is allowed")
    steps = {"ours": lambda: pca.fit(x, n_components=50),
             "scikit-learn": lambda: PCA(50, random_state=0).fit(x)}
    taken, rounds = timing.interleaved(steps, quick=quick)
    return timing.against("PCA 60,000 × 784 to 50", taken, rounds, targets={"scikit-learn": 1.0},
                          compared={"scikit-learn": f"variances to {gap:.0e}"})


def _gmm(n, quick):
    from sklearn.mixture import GaussianMixture
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((8, 10))  # bells that overlap, so that 20 iterations all gain
    x = (centres[rng.integers(0, 8, n)] + rng.standard_normal((n, 10))).astype(np.float32)
    start = (centres + 0.8 * rng.standard_normal(centres.shape)).astype(np.float32)
    nearest = np.argmin(((x[:, None] - start)**2).sum(axis=2), axis=1)
    precisions = np.linalg.inv([np.cov(x[nearest == k].T, bias=True) for k in range(8)])
    weights = np.bincount(nearest, minlength=8) / n
    means = np.array([x[nearest == k].mean(axis=0) for k in range(8)])

    def ours():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return gmm.fit(x, n_components=8, means=start, tolerance=0, floor=0, max_iterations=20)

    def theirs():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return GaussianMixture(8, max_iter=20, tol=0, reg_covar=0, weights_init=weights, means_init=means,
                                   precisions_init=precisions).fit(x)
    a, b = ours(), theirs()
    if (len(a.log_likelihood), b.n_iter_) != (21, 20):
        raise AssertionError(
            f"expected 20 iterations of both, got {len(a.log_likelihood) - 1} and {b.n_iter_}")
    gap = abs(float(a.log_prob(x).astype(np.float64).mean()) - b.score(x))
    if gap > 1e-4:
        raise AssertionError(f"the mixtures' mean log-likelihoods differ by {gap:.1e} nats, 1e-4 is allowed")
    taken, rounds = timing.interleaved({"ours": ours, "scikit-learn": theirs}, quick=quick)
    return timing.against("GMM 100,000 × 10, 8 components, 20 iterations", taken, rounds,
                          targets={"scikit-learn": 1.5}, unit="s",
                          compared={"scikit-learn": f"mean log-likelihood to {gap:.0e} nats"})
