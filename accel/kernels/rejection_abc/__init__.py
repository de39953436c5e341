"""Rejection ABC: draw, simulate, measure, keep.

    launch  a run whose simulator has device code; rejection_abc.cu
"""
