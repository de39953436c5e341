"""Transformations of data before training.

Reading order:

    scaling          standardisation; start here
    regression       linear regression of parameters on data
    training_domain  distance from the training data
    pixels           pixel values as real numbers, and back
"""
from reference.preprocessing import pixels, regression, scaling, training_domain

__all__ = ["pixels", "regression", "scaling", "training_domain"]
