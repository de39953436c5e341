"""Numerical tools that are no algorithm of the field.

Reading order:

    log_sum_exp   sums of exponentials without overflow
    grid          a function of one or two parameters on a grid
    point_spread  convolution with a point spread function
"""
from reference.numerics import grid, log_sum_exp, point_spread

__all__ = ["grid", "log_sum_exp", "point_spread"]
