"""Density estimation: models with a normalised density, which can be evaluated and sampled.

Reading order:

    gmm               Gaussian mixture, fitted by expectation maximisation; start here
    gaussian_mixture  a Gaussian mixture as an object
    gaussian          normal densities with full, diagonal or spherical covariances
    mixture_score     exact score of a smoothed Gaussian mixture
    mdn               mixture density network: a mixture that depends on a context
    flows             input checks and base draws shared by all flows
    realnvp           affine coupling layers
    made              masked autoregressive network
    maf               masked autoregressive flow: a chain of MADEs
    nsf               neural spline flow
    pixel_flow        a flow on the pixels of images
    pixel_flow_model  the object that it fits, and its file
"""
from accel.density import (
    flows, gaussian, gaussian_mixture, gmm, made, maf, mdn, mixture_score, nsf, pixel_flow,
    pixel_flow_model, realnvp,
)

__all__ = [
    "flows", "gaussian", "gaussian_mixture", "gmm", "made", "maf", "mdn", "mixture_score", "nsf",
    "pixel_flow", "pixel_flow_model", "realnvp",
]
