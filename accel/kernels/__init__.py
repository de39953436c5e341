"""CUDA kernels and their launchers, one folder for each.

A kernel computes what its page computes in array code. The page calls the launcher, which imports no page.
A folder has launch.py, and a source of the folder's name unless its sources are listed. Reading order:

    plan               how a kernel is launched, and the words that launchers and kernels share; start here
    cuda               where kernels are found, when they are used, how they are compiled and launched
    common/            headers that several kernels include
        real.cuh         the number type, the dynamic shared memory
        dense.cuh        a dense layer over a tile of samples, and its gradient
        network.cuh      a network of dense layers, forward and backward
        philox.cuh       the counter-based generator inside a kernel
    mlp/               dense networks and autoencoders; the first kernel to read
    realnvp/           RealNVP: density, samples, gradients
        density.cu       forward, inverse, log-density, loss
        gradient.cu      gradients of the loss and of the log-density
        realnvp.cuh      the chain of couplings, forward and backward
    maf/               MADE and MAF: density, samples, gradients
        density.cu       forward, log-density, loss
        inverse.cu       inverse and samples
        gradient.cu      gradients of the loss and of the log-density
        forward.cuh      a tile from data to the Gaussian
        maf.cuh          masks, and the layers in shared memory
    one_batch          one call of a loss through a training step
    training/          many training steps in one captured graph
        adam.cu          sums over blocks, clipping and Adam
    philox/            arrays of random numbers
    rejection_abc/     draw, simulate, measure the distance, accept
    ratio/             the classifier of a likelihood-to-evidence ratio, and its gradient
    prior_columns      the kinds of a prior's columns that kernels know
    posterior/         from a flow's draws to parameters
    catalogue/         summaries of the draws of many objects
        pipeline         upload, compute and download in chunks, on three streams
    score/             the score of a network
        form             how a score tells kernels what it computes
        layout           the layout of a score network, and its plan
        score_network.cuh  a score network for a tile of points
        widths.cuh       the sizes of a score network
    dsm/               denoising score matching, loss and gradient
    langevin/          Langevin dynamics along a score network
        stepper          the loop over launches
        noise.cuh        the noise of a Langevin step, given or drawn
    langevin_mixture/  Langevin dynamics along the score of a Gaussian mixture
"""
