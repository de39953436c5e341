"""Forward models with a known answer."""
