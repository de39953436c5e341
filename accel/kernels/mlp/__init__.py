"""Dense networks and autoencoders: output, squared error and gradients, all layers in one launch."""
