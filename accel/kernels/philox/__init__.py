"""The counter-based generator: arrays of uniforms, normals and integers."""
