"""Numerical tools that are no algorithm of the field.

Reading order:

    grid          a function of one or two parameters on a grid
    point_spread  convolution with a point spread function
    ranks         ranks of true parameters among posterior samples
"""
from accel.numerics import grid, point_spread, ranks

__all__ = ["grid", "point_spread", "ranks"]
