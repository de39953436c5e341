"""From a flow's whitened draws to parameters.

    launch  finish(columns, v, mean, factor) → θ; posterior.cu
"""
