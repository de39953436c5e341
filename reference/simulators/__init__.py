"""Simulators with a prior and, where one exists, an exact posterior.

Reading order:

    power_law        a power law with noise; start here
    gaussian_linear  mean of a Gaussian, a standard task
    two_moons        two crescents, a standard task
    global_signal    the global 21-cm signal
    galaxy_image     images of galaxies
    galaxy_features  mergers, rings, tails and arcs in such images
    galaxy_anomaly   anomalous galaxies
"""
from reference.simulators import (
    galaxy_anomaly, galaxy_features, galaxy_image, gaussian_linear, global_signal, power_law, two_moons,
)

__all__ = [
    "galaxy_anomaly", "galaxy_features", "galaxy_image", "gaussian_linear", "global_signal", "power_law",
    "two_moons",
]
