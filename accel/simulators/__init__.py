"""Forward models with a known answer."""

from accel.simulators import gaussian_linear, global_signal, grid, power_law, two_moons

__all__ = ["gaussian_linear", "global_signal", "grid", "power_law", "two_moons"]
