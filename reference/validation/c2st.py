"""Classifier two-sample test: how well a neural network tells posterior samples from exact ones.

    (1)  z = (θ − m) / s                       m, s: mean and standard deviation of exact, by column
    (2)  a_k                                   accuracy on the k-th of K folds of a classifier, trained on the
                                               others to tell exact (0) from samples (1)
    (3)  C2ST = (1/K) ∑ₖ a_k

0.5: the classifier can only guess, the two are alike; 1: it is never wrong. The best possible classifier
reaches ½ + ½ TV(p, q), with TV the total variation distance: Φ(‖δ‖/2) for N(0, I) against N(δ, I).

Shapes        N samples on each side, D parameters; exact and samples (N, D).
Conventions   those of the benchmark sbibm, so that the numbers can be compared with published ones: a
              perceptron of two hidden layers of 10 D units (ReLU, Adam, at most 10,000 epochs), five shuffled
              folds, seed 1. It is trained in the dtype of the samples; sbibm's are float32.
Source        "Revisiting classifier two-sample tests", Lopez-Paz and Oquab, 2017; "Benchmarking
              simulation-based inference", Lueckmann, Boelts, Greenberg, Gonçalves and Macke, 2021, and its
              code, `sbibm/metrics/c2st.py`.

Example

    >>> import numpy as np
    >>> from reference.validation import c2st
    >>> exact, samples = np.random.default_rng(0).standard_normal((2, 60, 1))
    >>> c2st.accuracy(exact, samples + 40.0, n_folds=2, n_jobs=1)
    1.0
"""
import numpy as np

from reference.runtime import blas, checks
from reference.runtime.protocols import Array

__all__ = ["accuracy"]


def accuracy(exact: Array, samples: Array, *, n_folds: int = 5, seed: int = 1,
             n_jobs: int | None = None) -> float:
    """The cross-validated accuracy (3).

    Parameters
    ----------
    exact : (N, D) float
        Samples of the exact posterior; (1) scales both sides by their moments.
    samples : (N, D) float
        As many samples of the posterior to be judged.
    n_folds : int
        K.
    seed : int
        Of the folds and of the network's weights and batches.
    n_jobs : int, optional
        Processes to run the folds in, by default one in `reference` and one per core in `accel`. The accuracy
        does not depend on it.

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, there are fewer samples than folds, or a column of exact is
        constant.
    ImportError
        If scikit-learn is not installed.
    """
    data, target = prepare(exact, samples, n_folds)
    try:
        from sklearn.model_selection import KFold, cross_val_score
        from sklearn.neural_network import MLPClassifier
    except ImportError:
        raise ImportError("c2st needs scikit-learn, which is not installed: "
                          "pip install 'diptych[experiments]'") from None
    dim = data.shape[1]
    classifier = MLPClassifier(activation="relu", hidden_layer_sizes=(10 * dim, 10 * dim), max_iter=10_000,
                               solver="adam", random_state=seed)
    folds = KFold(n_splits=n_folds, shuffle=True, random_state=seed)
    with blas.single_thread():                                    # for matrices this small, threads cost time
        scores = cross_val_score(classifier, data, target, cv=folds, scoring="accuracy", n_jobs=n_jobs)  # (2)
    return float(np.mean(scores))                                                                      # (3)


def prepare(exact: Array, samples: Array, n_folds: int) -> tuple[Array, Array]:
    """Both sides, scaled and stacked (2N, D), and which is which (2N,); or ValueError."""
    exact, samples = checks.as_array("exact", exact, ("N", "D")), checks.as_array("samples", samples)
    checks.check_shape("samples", samples, exact.shape)
    checks.check_count("n_folds", n_folds, least=2)
    checks.check_count("exact: number of rows", len(exact), least=n_folds)
    checks.check_count("exact: number of columns", exact.shape[1])
    checks.check_finite("exact", exact)
    checks.check_finite("samples", samples)
    mean, std = np.mean(exact, axis=0), np.std(exact, axis=0, ddof=1)
    if not np.all(std > 0):
        raise ValueError("exact: expected columns that vary, got a constant in column "
                         f"{int(np.argmin(std))}")
    z = (np.concatenate((exact, samples)) - mean) / std               # (1)
    return z, np.concatenate((np.zeros(len(exact)), np.ones(len(samples))))
