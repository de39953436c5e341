"""Forward models with a known answer."""

from reference.simulators import gaussian_linear, two_moons

__all__ = ["gaussian_linear", "two_moons"]
