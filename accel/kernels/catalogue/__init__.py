"""Summaries of the draws of many objects, and chunks of a table through a device.

    launch    summary(theta, …) → mean, covariance, quantiles; catalogue.cu
    pipeline  upload, compute and download chunks at the same time
"""
