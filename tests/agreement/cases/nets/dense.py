import numpy as np

from tests.agreement.registry import case, error_of, painted

SIZES = (4, 6, 5, 3)


def layers(paint):
    return [painted(paint, (n_in + 1, n_out)) / 2 for n_in, n_out in zip(SIZES, SIZES[1:])]


@case("nets.dense.init_dense", sizes=(3,))
def _(on, paint, n):
    return on.package.nets.dense.init_dense(on.rng(1), n, 4, gain=0.5)


@case("nets.dense.init_mlp", sizes=(3,))
def _(on, paint, n):
    return on.package.nets.dense.init_mlp(on.rng(1), (n, 5, 2))


@case("nets.dense.dense", terms=6)
def _(on, paint, n):
    return on.package.nets.dense.dense(on.put(layers(paint)[0]), on.put(painted(paint, (n, 4))))


@case("nets.dense.masked_dense", terms=6)
def _(on, paint, n):
    mask = 1.0 * (np.add.outer(np.arange(4), np.arange(6)) % 3 > 0)
    return on.package.nets.dense.masked_dense(on.put(layers(paint)[0]), on.put(mask),
                                              on.put(painted(paint, (n, 4))))


@case("nets.dense.mlp", terms=20, kernels=True)
def _(on, paint, n):
    return on.package.nets.dense.mlp(on.put(layers(paint)), on.put(painted(paint, (n, 4))))


for name in ("TANH", "RELU", "LEAKY_RELU", "IDENTITY"):
    @case(f"nets.dense.mlp_vjp#{name}", terms=lambda n: n + 20, kernels=True)
    def _(on, paint, n, name=name):
        nets = on.package.nets.dense
        return nets.mlp_vjp(on.put(layers(paint)), on.put(painted(paint, (n, 4))),
                            on.put(painted(paint, (n, 3))), activation=getattr(nets, name))


@case("nets.dense.mlp_vjp#RELU-at-its-kink", sizes=(3,), kernels=True)
def _(on, paint, n):
    nets, layers = (on.package.nets.dense,
                    [painted(paint, (n_in + 1, n_out)) for n_in, n_out in ((4, 6), (6, 3))])
    # no bias and no input: every unit gets exactly zero
    layers[0][0] = 0
    return nets.mlp_vjp(on.put(layers), on.put(np.zeros((n, 4))), on.put(painted(paint, (n, 3))),
                        activation=nets.RELU)


@case("nets.dense.mlp_vjp#wide", sizes=(1, 1100), terms=lambda n: n + 300, kernels=True)
def _(on, paint, n):
    nets = on.package.nets.dense
    layers = [0.3 * painted(paint, (n_in + 1, n_out)) for n_in, n_out in ((70, 45), (45, 33))]
    x, cotangent = on.put(painted(paint, (n, 70))), on.put(painted(paint, (n, 33)))
    return nets.mlp(on.put(layers), x), nets.mlp_vjp(on.put(layers), x, cotangent)


@case("nets.dense.mlp#bad input", sizes=(3,))
def _(on, paint, n):
    """Kernels leave to array code what they cannot have, so that it is refused in its words; what it takes is
    computed."""
    nets, given, x = on.package.nets.dense, on.put(layers(paint)), on.put(painted(paint, (n, 4)))
    return (nets.mlp(given, x[:0]),
            [error_of(function, *args).partition(":")[0]
             for function, *args in ((nets.mlp, given, x[:, :3]), (nets.mlp, given[1:], x),
                                     (nets.mlp, given[:1] + given[2:], x), (nets.mlp_vjp, given, x, x))])


@case("nets.dense.activation_named", sizes=(1,))
def _(on, paint, n):
    nets, a = on.package.nets.dense, on.put(painted(paint, (5,)))
    values = [nets.activation_named(name).value(a) for name in ("tanh", "relu", "leaky_relu", "identity")]
    return values, error_of(nets.activation_named, "sine")
