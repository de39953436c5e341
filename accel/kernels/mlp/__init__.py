"""Dense networks and autoencoders: output, squared error and gradients, all layers in one launch.

    launch    what is asked of a kernel, and how it is launched
"""
