"""Whether to trust a posterior: checks whose own false-alarm rate and power are tested.

Reading order:

    pit            probability integral transform; start here
    sbc            simulation-based calibration: rank histograms
    coverage       expected coverage of credible regions
    tarp           coverage from samples alone
    mean_log_prob  mean log-density of true parameters
    c2st           classifier two-sample test
    roc            receiver operating characteristic
    convergence    R-hat and effective sample size of Markov chains
    marginals      densities of one and two parameters, and levels that enclose masses
    corner         corner plot of them
    corner_plot    its drawing
    uniformity     tests of uniformity, which pit and coverage use
"""
from reference.validation import (
    c2st, convergence, corner, corner_plot, coverage, marginals, mean_log_prob, pit, roc, sbc, tarp,
    uniformity,
)

__all__ = [
    "c2st", "convergence", "corner", "corner_plot", "coverage", "marginals", "mean_log_prob", "pit", "roc",
    "sbc", "tarp", "uniformity",
]
