"""Simulators with a prior and, where one exists, an exact posterior.

Reading order:

    power_law        a power law with noise; start here
    gaussian_linear  mean of a Gaussian, the standard task
    two_moons        two moons, the standard task
    global_signal    global 21-cm signal with foreground
    galaxy_image     images of galaxies
    galaxy_anomaly   galaxies of which a few are unusual
"""
from accel.simulators import (
    galaxy_anomaly, galaxy_image, gaussian_linear, global_signal, power_law, two_moons,
)

__all__ = ["galaxy_anomaly", "galaxy_image", "gaussian_linear", "global_signal", "power_law", "two_moons"]
