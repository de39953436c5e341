"""Mean, covariance and quantiles of the draws of many objects."""
