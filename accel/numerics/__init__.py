"""Numerical tools that simulators and samplers share.

Reading order:

    grid          a density of one or two parameters on a grid; start here
    point_spread  point spread functions on pixels
    log_sum_exp   sums of exponentials without overflow
"""
from accel.numerics import grid, log_sum_exp, point_spread

__all__ = ["grid", "log_sum_exp", "point_spread"]
