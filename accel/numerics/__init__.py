"""Numerical tools that simulators and samplers share.

Reading order:

    grid          a density of one or two parameters on a grid; start here
    point_spread  point spread functions on pixels
"""
from accel.numerics import grid, point_spread

__all__ = ["grid", "point_spread"]
