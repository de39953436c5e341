"""Training steps: sum partial gradients, clip, take a step of Adam, and replay whole epochs from a graph."""
