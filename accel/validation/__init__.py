"""Whether to trust a posterior: checks whose own false-alarm rate and power are tested.

Reading order:

    pit            probability integral transform; start here
    sbc            simulation-based calibration: rank histograms
    coverage       coverage of credible regions, and TARP
    mean_log_prob  mean log-density of true parameters
    c2st           classifier two-sample test
    roc            receiver operating characteristic
    convergence    R-hat and effective sample size of Markov chains
    corner         corner plot
"""
from accel.validation import c2st, convergence, corner, coverage, mean_log_prob, pit, roc, sbc

__all__ = ["c2st", "convergence", "corner", "coverage", "mean_log_prob", "pit", "roc", "sbc"]
