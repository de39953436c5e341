"""Whether to trust a posterior."""

from reference.validation import c2st, convergence, corner, coverage, mean_log_prob, pit, rank_histogram, roc

__all__ = ["c2st", "convergence", "corner", "coverage", "mean_log_prob", "pit", "rank_histogram", "roc"]
