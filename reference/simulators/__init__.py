"""Forward models with a known answer."""

from reference.simulators import galaxy_anomaly, galaxy_image, gaussian_linear, global_signal, grid, point_spread, power_law, two_moons

__all__ = ["galaxy_anomaly", "galaxy_image", "gaussian_linear", "global_signal", "grid", "point_spread", "power_law", "two_moons"]
