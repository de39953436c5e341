"""A training step of neural ratio estimation against sbi's

θ 3, x 100 numbers, batch 200, float32; each x is paired with its own θ and nine others. Both networks have
two hidden layers of 64. sbi takes its own step: the "mlp" classifier, which has ReLU and layer norms, and the
loss of NRE-B with its ten atoms. Ours is tanh and the loss of NRE-C.
"""
import contextlib
import tempfile

import numpy as np
import torch

from accel import priors
from accel.preprocessing.regression import fit_regression
from accel.runtime.tree import ravel, tree_map
from accel.inference import _ratio_rows, ratio
from experiments.bench import peers, timing

DIM, CONTEXT, BATCH, ATOMS, HIDDEN, STEPS = 3, 100, 200, 10, (64, 64), 20


class Model:
    @staticmethod
    def write_grads(params, grads, theta_rows, x_rows):
        return _ratio_rows.write_grads(params, grads, theta_rows, x_rows, n_contrastive=ATOMS - 1,
                                       balance=0.0)


def run(xp, quick):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    theta, x = rng.standard_normal((STEPS, BATCH, DIM)), rng.standard_normal((STEPS, BATCH, CONTEXT))
    regression = fit_regression(theta.reshape(-1, DIM), x.reshape(-1, CONTEXT))
    prior = priors.Normal(np.zeros(DIM), np.ones(DIM))
    rows = [
        np.stack([_ratio_rows.theta_rows_of(prior, regression, batch) for batch in theta]).astype(np.float32),
        np.stack([_ratio_rows.x_rows_of(regression, batch) for batch in x]).astype(np.float32)]
    params = ratio.init_params(rng, dim=DIM, context_dim=CONTEXT, hidden=HIDDEN)
    params = tree_map(lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32),
                      params)
    # sbi writes logs where it is called
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        net, loss = sbi_loss(theta[0], x[0])
        steps = {"ours": peers.our_steps(Model, params, rows),
                 "sbi": peers.torch_steps(net, loss, (theta.astype(np.float32), x.astype(np.float32)),
                                          fused=False)}
        taken, rounds = timing.interleaved(steps, quick=quick, per_call=dict.fromkeys(steps, STEPS))
    return timing.against(f"NRE training step, {CONTEXT} data, batch {BATCH}", taken, rounds,
                          targets={"sbi": 5},
                          compared={
        "sbi": f"{peers.torch_size(net):,} parameters, ours {ravel(params).size:,}; {ATOMS} pairs for "
        "each x"})


def sbi_loss(theta, x):
    """sbi's network, and its loss for a batch."""
    from sbi.inference import NRE_B
    from sbi.neural_nets import classifier_nn
    trainer = NRE_B(classifier=classifier_nn("mlp", hidden_features=HIDDEN[0]), show_progress_bars=False)
    theta, x = (torch.from_numpy(a.astype(np.float32)) for a in (theta, x))
    trainer._neural_net = trainer._build_neural_net(theta, x)
    return trainer._neural_net, lambda theta, x: trainer._loss(theta, x, ATOMS)
