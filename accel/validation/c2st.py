"""Classifier two-sample test: how well a neural network tells posterior samples from exact ones.

The mathematics is in `reference.validation.c2st`. Same number, to the last digit; the folds are trained side
by side, each in a process of its own with one BLAS thread, since the matrices are small. Device arrays are
brought to the host before anything is computed: the training is scikit-learn's, and over so many steps a
difference in the last bit would become another number.

Example

    >>> import numpy as np
    >>> from accel.validation import c2st
    >>> exact, samples = np.random.default_rng(0).standard_normal((2, 60, 1))
    >>> c2st.accuracy(exact, samples + 40.0, n_folds=2, n_jobs=1)
    1.0
"""
import numpy as np

from accel.runtime import blas, checks
from accel.runtime.protocols import Array
from accel.device import to_host

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
        from joblib import Parallel, cpu_count, delayed, parallel_config
        from sklearn.model_selection import KFold
    except ImportError:
        raise ImportError("c2st needs scikit-learn, which is not installed: "
                          "pip install 'diptych[experiments]'") from None
    folds = KFold(n_splits=n_folds, shuffle=True, random_state=seed).split(data)
    n_jobs = min(n_folds, cpu_count()) if n_jobs is None else n_jobs
    with parallel_config("loky", inner_max_num_threads=1), blas.single_thread():
        found = Parallel(n_jobs)(delayed(fold)(data, target, *rows, seed) for rows in folds)
    return float(np.mean(found))                                                                       # (3)


def fold(data: Array, target: Array, train: Array, test: Array, seed: int) -> float:
    """The accuracy a_k of (2) on the rows of one fold."""
    from sklearn.neural_network import MLPClassifier
    dim = data.shape[1]
    classifier = MLPClassifier(activation="relu", hidden_layer_sizes=(10 * dim, 10 * dim), max_iter=10_000,
                               solver="adam", random_state=seed)
    return classifier.fit(data[train], target[train]).score(data[test], target[test])                  # (2)


def prepare(exact: Array, samples: Array, n_folds: int) -> tuple[Array, Array]:
    """Both sides on the host, scaled and stacked (2N, D), and which is which (2N,); or ValueError."""
    exact, samples = checks.as_array("exact", exact, ("N", "D")), checks.as_array("samples", samples)
    checks.check_shape("samples", samples, exact.shape)
    checks.check_count("n_folds", n_folds, least=2)
    checks.check_count("exact: number of rows", len(exact), least=n_folds)
    checks.check_count("exact: number of columns", exact.shape[1])
    checks.check_finite("exact", exact)
    checks.check_finite("samples", samples)
    exact, samples = to_host(exact), to_host(samples)
    mean, std = np.mean(exact, axis=0), np.std(exact, axis=0, ddof=1)
    if not np.all(std > 0):
        raise ValueError("exact: expected columns that vary, got a constant in column "
                         f"{int(np.argmin(std))}")
    z = np.concatenate((exact, samples))
    z -= mean
    z /= std                                                                                           # (1)
    return z, np.concatenate((np.zeros(len(exact)), np.ones(len(samples))))
