"""A conditional MAF against sbi, zuko and flowjax: training steps, samples, log-probabilities

θ 3, context 10, five transforms, hidden 50-50, tanh, float32. A step is loss, gradient, clipping of the norm
at 5, and Adam. sbi takes its own step on its own network (softplus scales, a second bias for the context), of
one block, so that both have two hidden layers; zuko has the fused Adam; flowjax scans over the STEPS steps of
a turn in one compiled call. zuko is given our masks and weights, and must have our loss: for that comparison
alone its scale is our bounded one, timed is its own.
"""
import jax
import jax.numpy as jnp
import numpy as np
import torch

from accel import device
from accel.runtime.tree import frozen, ravel, tree_map
from accel.density import made, maf
from experiments.bench import peers, timing

DIM, CONTEXT, TRANSFORMS, HIDDEN = 3, 10, 5, (50, 50)
TARGETS = {50: (20, 10, 1.0), 200: (11, 8, 1.3), 1000: (8, 4, 1.3), 5000: (6, 3, 1.0)}
NAMES = ("sbi", "zuko", "flowjax")
STEPS = 20


def run(xp, quick):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    params = painted()
    ours, sbi, zuko, flowjax = Ours(params), Sbi(), Zuko(params), Flowjax()
    gap = abs(zuko.shared_loss() - ours.shared_loss())
    if gap > 1e-4:
        raise AssertionError(f"zuko, on our weights, has a loss {gap:.1e} nats from ours; 1e-4 is allowed")
    compared = {
        "sbi": f"{sbi.size:,} parameters, ours {ours.size:,}",
        "flowjax": f"{flowjax.size:,} parameters, ours {ours.size:,}",
        "zuko": f"loss on shared weights to {gap:.0e} nats; {zuko.size:,} parameters, ours {ours.size:,}"}
    sides, rows = {"ours": ours, "sbi": sbi, "zuko": zuko, "flowjax": flowjax}, []
    for batch in (50,) if quick else TARGETS:
        data = batches(batch)
        steps = {name: side.steps(*data) for name, side in sides.items()}
        taken, rounds = timing.interleaved(steps, quick=quick, per_call=dict.fromkeys(steps, STEPS))
        rows += timing.against(f"MAF training step, batch {batch}", taken, rounds,
                               targets=dict(zip(NAMES, TARGETS[batch])), compared=compared)
    scale = 100 if quick else 1
    for work, method, sizes, targets in (
            ("10,000 samples, one observation", "draw", (10_000 // scale, 1), (10, 3, 1.3)),
            ("100 samples for each of 1,000 observations", "draw", (100, 1000 // scale), (10, 3, 1.3)),
            ("log-probability of 100,000 points, one observation each", "density", (100_000 // scale,),
             (5, 3, 1.3))):
        steps = {name: getattr(side, method)(*sizes) for name, side in sides.items()}
        taken, rounds = timing.interleaved(steps, quick=quick)
        rows += timing.against(f"MAF: {work}", taken, rounds, targets=dict(zip(NAMES, targets)),
                               compared=compared)
    return rows


def painted():
    """Our parameters, off their start."""
    rng = np.random.default_rng(0)
    params = maf.init_params(rng, dim=DIM, context_dim=CONTEXT, n_transforms=TRANSFORMS, hidden=HIDDEN)
    return tree_map(lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32),
                    params)


def batches(n):
    """STEPS batches of θ and context, (STEPS, n, …), float32."""
    rng = np.random.default_rng(n)
    return (rng.standard_normal((STEPS, n, DIM), np.float32),
            rng.standard_normal((STEPS, n, CONTEXT), np.float32))


class Ours:
    def __init__(self, params):
        self.params = frozen(params)
        self.size = ravel(params).size

    def shared_loss(self):
        theta, context = batches(200)
        return float(maf.loss(self.params, theta[0], context[0]))

    def steps(self, theta, context):
        return peers.our_steps(maf, self.params, (theta, context))

    def draw(self, n, observations):
        context, rng = batches(observations)[1][0], device.generator(1, np, "float32")
        return lambda: maf.sample(self.params, rng, n, context)

    def density(self, n):
        theta, context = (a[0] for a in batches(n))
        return lambda: maf.log_prob(self.params, theta, context)


class Sbi:
    def __init__(self):
        from sbi.neural_nets import posterior_nn
        build = posterior_nn("maf", z_score_theta=None, z_score_x=None, hidden_features=HIDDEN[0],
                             num_transforms=TRANSFORMS, num_blocks=1)
        self.net = build(torch.randn(100, DIM), torch.randn(100, CONTEXT))
        self.size = peers.torch_size(self.net)

    def loss(self, theta, context):
        return self.net.loss(theta, condition=context).mean()

    def steps(self, theta, context):
        return peers.torch_steps(self.net, self.loss, (theta, context), fused=False)

    def draw(self, n, observations):
        """What a user calls: a DirectPosterior, whose prior is wide enough to reject nothing."""
        from sbi.inference.posteriors import DirectPosterior
        posterior = DirectPosterior(self.net,
                                    torch.distributions.MultivariateNormal(torch.zeros(DIM),
                                                                           1e6 * torch.eye(DIM)))
        context = torch.from_numpy(batches(observations)[1][0])
        if observations == 1:
            return lambda: posterior.sample((n,), x=context, show_progress_bars=False)
        return lambda: posterior.sample_batched((n,), x=context, show_progress_bars=False)

    def density(self, n):
        theta, context = (torch.from_numpy(a[0]) for a in batches(n))

        def log_prob():
            with torch.no_grad():
                return self.net.log_prob(theta[None], condition=context)
        return log_prob


class Zuko:
    def __init__(self, params):
        import zuko
        self.params = params
        self.net = zuko.flows.MAF(features=DIM, context=CONTEXT, transforms=TRANSFORMS,
                                  hidden_features=HIDDEN, activation=torch.nn.Tanh)
        self.size = peers.torch_size(self.net)

    def loss(self, theta, context):
        return -self.net(context).log_prob(theta).mean()

    def steps(self, theta, context):
        return peers.torch_steps(self.net, self.loss, (theta, context))

    def shared_loss(self):
        """The loss of its network with our masks, weights and scale."""
        import zuko
        order = {True: list(range(DIM)), False: list(range(DIM))[::-1]}
        scale = peers.bounded_affine(made.S, inverse=True)
        transforms = [zuko.flows.MaskedAutoregressiveTransform(
            features=DIM, context=CONTEXT, order=torch.tensor(order[k % 2 == 0]), univariate=scale,
            shapes=[(), ()], hidden_features=HIDDEN, activation=torch.nn.Tanh) for k in range(TRANSFORMS)]
        for k, (transform, layers) in enumerate(zip(transforms, self.params["mades"])):
            linears = [module for module in transform.hyper if hasattr(module, "weight")]
            theirs = np.arange(DIM) if k % 2 == 0 else np.arange(DIM)[::-1]
            # zuko's input is (θ, context), its outputs (μ, a) for each dimension in turn; ours are (1,
            # context, θ) and all μ before all a
            rows = np.concatenate((1 + CONTEXT + theirs, 1 + np.arange(CONTEXT)))
            columns = np.stack((theirs, DIM + theirs), axis=1).ravel()
            for i, (linear, layer, mask) in enumerate(zip(linears, layers, made.masks({"layers": layers}),
                                                          strict=True)):
                weight, bias = (layer[1:] * mask).astype(np.float32), layer[0]
                weight, mask = (w[rows - 1] if i == 0 else w for w in (weight, mask))
                if i == len(layers) - 1:
                    weight, mask, bias = weight[:, columns], mask[:, columns], bias[columns]
                linear.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
                linear.bias.data = torch.from_numpy(bias.copy())
                linear.mask.data = torch.from_numpy(np.ascontiguousarray(mask.T)) != 0
        base = zuko.flows.UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(DIM),
                                                    torch.ones(DIM), buffer=True)
        flow = zuko.flows.Flow(transforms, base)
        theta, context = (torch.from_numpy(a[0]) for a in batches(200))
        with torch.no_grad():
            return float(-flow(context).log_prob(theta).mean())

    def draw(self, n, observations):
        context = torch.from_numpy(batches(observations)[1][0])

        def sample():
            with torch.no_grad():
                return self.net(context).sample((n,))
        return sample

    def density(self, n):
        theta, context = (torch.from_numpy(a[0]) for a in batches(n))

        def log_prob():
            with torch.no_grad():
                return self.net(context).log_prob(theta)
        return log_prob


class Flowjax:
    def __init__(self):
        import equinox
        import flowjax.distributions
        import flowjax.flows
        flow = flowjax.flows.masked_autoregressive_flow(
            jax.random.key(0), base_dist=flowjax.distributions.Normal(jnp.zeros(DIM)), cond_dim=CONTEXT,
            flow_layers=TRANSFORMS, nn_width=HIDDEN[0], nn_depth=len(HIDDEN), nn_activation=jnp.tanh)
        self.flow, self.equinox = flow, equinox
        self.size = sum(leaf.size for leaf in jax.tree.leaves(equinox.filter(flow, equinox.is_inexact_array)))

    def steps(self, theta, context):
        import paramax
        equinox = self.equinox
        fixed = (paramax.NonTrainable,)
        weights, static = equinox.partition(self.flow, equinox.is_inexact_array,
                                            is_leaf=lambda leaf: isinstance(leaf, fixed))

        def loss(weights, theta, context):
            return -paramax.unwrap(equinox.combine(weights, static)).log_prob(theta, context).mean()
        return peers.jax_scan(loss, weights, (theta, context))

    def draw(self, n, observations):
        context, key = jnp.asarray(batches(observations)[1][0]), jax.random.key(1)
        sample = self.equinox.filter_jit(lambda flow, key, context: flow.sample(key, (n,), condition=context))
        return lambda: jax.block_until_ready(sample(self.flow, key, context))

    def density(self, n):
        theta, context = (jnp.asarray(a[0]) for a in batches(n))
        log_prob = self.equinox.filter_jit(lambda flow, theta, context: flow.log_prob(theta, context))
        return lambda: jax.block_until_ready(log_prob(self.flow, theta, context))
