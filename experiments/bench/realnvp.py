"""A RealNVP in two dimensions against zuko, nflows and flowjax: training steps, samples

Six couplings, hidden 64-64, tanh, float32, batch 512. zuko is given our weights, and must have our loss: for
that comparison alone its scale is our bounded one, timed is its own. nflows and flowjax have scales of their
own, and as many parameters.
"""
import jax
import jax.numpy as jnp
import numpy as np
import torch

from accel import device
from accel.runtime.tree import frozen, ravel, tree_map
from accel.density import realnvp
from experiments.bench import peers, timing

DIM, TRANSFORMS, HIDDEN, BATCH, STEPS = 2, 6, (64, 64), 512, 20
NAMES = ("zuko", "nflows", "flowjax")
TARGETS = (5, 5, 1.2)


def run(xp, quick):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    params = painted()
    sides = {"ours": Ours(params), "zuko": Zuko(params), "nflows": Nflows(), "flowjax": Flowjax()}
    gap = abs(sides["zuko"].shared_loss() - sides["ours"].shared_loss())
    if gap > 1e-4:
        raise AssertionError(f"zuko, on our weights, has a loss {gap:.1e} nats from ours; 1e-4 is allowed")
    compared = {name: f"{side.size:,} parameters, ours {sides['ours'].size:,}"
                for name, side in sides.items()}
    compared["zuko"] = f"loss on shared weights to {gap:.0e} nats; {compared['zuko']}"
    steps, rows = {name: side.steps(batches()) for name, side in sides.items()}, []
    taken, rounds = timing.interleaved(steps, quick=quick, per_call=dict.fromkeys(steps, STEPS))
    rows += timing.against(f"RealNVP training step, batch {BATCH}", taken, rounds,
                           targets=dict(zip(NAMES, TARGETS)), compared=compared)
    n = 1000 if quick else 100_000
    taken, rounds = timing.interleaved({name: side.draw(n) for name, side in sides.items()}, quick=quick)
    return rows + timing.against("RealNVP: 100,000 samples", taken, rounds, targets=dict(zip(NAMES, TARGETS)),
                                 compared=compared)


def painted():
    rng = np.random.default_rng(0)
    params = realnvp.init_params(rng, dim=DIM, n_transforms=TRANSFORMS, hidden=HIDDEN)
    return tree_map(lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32),
                    params)


def batches():
    return np.random.default_rng(1).standard_normal((STEPS, BATCH, DIM), np.float32)


class Ours:
    def __init__(self, params):
        self.params, self.size = frozen(params), ravel(params).size

    def shared_loss(self):
        return float(realnvp.loss(self.params, batches()[0]))

    def steps(self, x):
        return peers.our_steps(realnvp, self.params, (x,))

    def draw(self, n):
        rng = device.generator(1, np, "float32")
        return lambda: realnvp.sample(self.params, rng, n)


class Zuko:
    def __init__(self, params):
        import zuko
        self.params = params
        self.net = zuko.flows.NICE(features=DIM, transforms=TRANSFORMS, hidden_features=HIDDEN,
                                   activation=torch.nn.Tanh)
        self.size = peers.torch_size(self.net)

    def steps(self, x):
        return peers.torch_steps(self.net, lambda batch: -self.net().log_prob(batch).mean(), (x,))

    def draw(self, n):
        def sample():
            with torch.no_grad():
                return self.net().sample((n,))
        return sample

    def shared_loss(self):
        import zuko
        scale, transforms = peers.bounded_affine(realnvp.S, inverse=False), []
        for k, layers in enumerate(self.params["couplings"]):
            kept = torch.arange(DIM) < DIM // 2 if k % 2 == 0 else torch.arange(DIM) >= DIM // 2
            transform = zuko.flows.GeneralCouplingTransform(features=DIM, mask=kept, univariate=scale,
                                                            shapes=[(), ()], hidden_features=HIDDEN,
                                                            activation=torch.nn.Tanh)
            linears = [module for module in transform.hyper if hasattr(module, "weight")]
            for linear, layer in zip(linears, layers, strict=True):
                linear.weight.data = torch.from_numpy(np.ascontiguousarray(layer[1:].T))
                linear.bias.data = torch.from_numpy(layer[0].copy())
            transforms.append(transform)
        base = zuko.flows.UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(DIM),
                                                    torch.ones(DIM), buffer=True)
        with torch.no_grad():
            return float(-zuko.flows.Flow(transforms, base)().log_prob(torch.from_numpy(batches()[0])).mean())


class Nflows:
    def __init__(self):
        from nflows.distributions import StandardNormal
        from nflows.flows import Flow
        from nflows.nn.nets import MLP
        from nflows.transforms import AffineCouplingTransform, CompositeTransform

        class Network(MLP):
            def forward(self, x, context=None):
                return super().forward(x)

        def network(n_in, n_out):
            return Network([n_in], [n_out], list(HIDDEN), activation=torch.tanh)
        masks = [[1, -1] if k % 2 == 0 else [-1, 1] for k in range(TRANSFORMS)]
        self.net = Flow(CompositeTransform([AffineCouplingTransform(mask, network) for mask in masks]),
                        StandardNormal([DIM]))
        self.size = peers.torch_size(self.net)

    def steps(self, x):
        return peers.torch_steps(self.net, lambda batch: -self.net.log_prob(batch).mean(), (x,))

    def draw(self, n):
        def sample():
            with torch.no_grad():
                return self.net.sample(n)
        return sample


class Flowjax:
    def __init__(self):
        import equinox
        import flowjax.distributions
        import flowjax.flows
        self.flow = flowjax.flows.coupling_flow(jax.random.key(0),
                                                base_dist=flowjax.distributions.Normal(jnp.zeros(DIM)),
                                                flow_layers=TRANSFORMS, nn_width=HIDDEN[0],
                                                nn_depth=len(HIDDEN), nn_activation=jnp.tanh)
        self.equinox, self.size = equinox, sum(
            leaf.size for leaf in jax.tree.leaves(equinox.filter(self.flow, equinox.is_inexact_array)))

    def steps(self, x):
        import paramax
        equinox, fixed = self.equinox, (paramax.NonTrainable,)
        weights, static = equinox.partition(self.flow, equinox.is_inexact_array,
                                            is_leaf=lambda leaf: isinstance(leaf, fixed))
        return peers.jax_scan(
            lambda weights, x: -paramax.unwrap(equinox.combine(weights, static)).log_prob(x).mean(), weights,
            (x,))

    def draw(self, n):
        key, sample = jax.random.key(1), self.equinox.filter_jit(lambda flow, key: flow.sample(key, (n,)))
        return lambda: jax.block_until_ready(sample(self.flow, key))
