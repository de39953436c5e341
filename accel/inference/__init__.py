"""From simulations to a posterior."""
