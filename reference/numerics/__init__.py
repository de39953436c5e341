"""Numerical tools that are no algorithm of the field.

Reading order:

    grid          a function of one or two parameters on a grid
    point_spread  convolution with a point spread function
"""
from reference.numerics import grid, point_spread

__all__ = ["grid", "point_spread"]
