"""The score of a network at many points."""
