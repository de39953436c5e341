"""Numerical tools that simulators and samplers share.

Reading order:

    grid          a density of one or two parameters on a grid; start here
    point_spread  point spread functions on pixels
    log_sum_exp   sums of exponentials without overflow
    ranks         ranks of true parameters among posterior samples
"""
from accel.numerics import grid, log_sum_exp, point_spread, ranks

__all__ = ["grid", "log_sum_exp", "point_spread", "ranks"]
