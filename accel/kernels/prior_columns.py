"""The kinds of columns that kernels know of a prior, in which its parameters are independent.

    UNIFORM       uniform between two bounds
    NORMAL        normal
    LOG_NORMAL    log-normal

A launcher passes them to its kernels as macros, KINDS. `inference._prior_columns` finds a prior's columns.
"""
__all__ = ["UNIFORM", "NORMAL", "LOG_NORMAL", "KINDS"]

UNIFORM, NORMAL, LOG_NORMAL = range(3)
KINDS = {"KIND_UNIFORM": UNIFORM, "KIND_NORMAL": NORMAL, "KIND_LOG_NORMAL": LOG_NORMAL}
