"""Whether to trust a posterior."""

from reference.validation import coverage, mean_log_prob, pit, rank_histogram

__all__ = ["coverage", "mean_log_prob", "pit", "rank_histogram"]
