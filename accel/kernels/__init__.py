"""The CUDA kernels and what launches them: one folder a kernel, with launch.py, .cu and .cuh; shared headers in common/.

    cuda           where kernels are found, when they are chosen, how they are compiled
    plan           how a kernel is launched, in words that all launchers share
    one_batch      one call of a loss through a fused training step
    prior_columns  the kinds of a prior's columns that kernels know
"""
