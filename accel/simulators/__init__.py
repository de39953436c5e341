"""Forward models with a known answer."""

from accel.simulators import gaussian_linear, two_moons

__all__ = ["gaussian_linear", "two_moons"]
