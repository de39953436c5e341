"""Rejection ABC: draw, simulate, measure the distance and accept in one launch."""
