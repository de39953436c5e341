"""Check of a covariance that a caller gives: a symmetric, positive definite matrix, or variances.

The rules are in `reference.inference.covariance`. Same errors; the covariance is brought to the host.

Example

    >>> from accel.inference.covariance import check_covariance
    >>> check_covariance([[2.0, 0.5], [0.5, 1.0]]).flags.writeable
    False
"""
import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import to_host

__all__ = []
SHARED = ["check_covariance"]
__all__ += SHARED


def check_covariance(covariance: Array) -> Array:
    """The covariance (D, D) or variances (D,) in float64, a read-only copy, or a ValueError."""
    covariance = np.array(to_host(checks.as_array("covariance", covariance)), dtype=np.float64)
    checks.check_shape("covariance", covariance, ("D", "D") if covariance.ndim == 2 else ("D",))
    checks.check_finite("covariance", covariance)
    if covariance.ndim == 1 and not (covariance > 0).all():
        raise ValueError(f"covariance: expected positive variances, got {covariance.min():g} as the smallest")
    if covariance.ndim == 2:
        if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=0):
            raise ValueError("covariance: expected a symmetric matrix, got one that differs from its "
                             "transpose")
        try:
            np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            raise ValueError("covariance: expected a positive definite matrix, got one with the smallest "
                             f"eigenvalue {np.linalg.eigvalsh(covariance)[0]:.3g}") from None
    covariance.setflags(write=False)
    return covariance
