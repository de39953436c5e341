from tests.agreement.registry import SIZES, case, error_of, painted

WIDTHS = (4, 6, 5, 1)


def setting(on, paint, n, widths=WIDTHS):
    layers = [painted(paint, (n_in + 1, n_out)) / 2 for n_in, n_out in zip(widths, widths[1:])]
    return on.package.nets.gradient_penalty, on.put(layers), on.put(painted(paint, (n, widths[0])))


@case("nets.gradient_penalty.input_gradient", terms=40)
def _(on, paint, n):
    module, layers, x = setting(on, paint, n)
    return module.input_gradient(layers, x), error_of(module.input_gradient, layers, x[:, :3]), error_of(
        module.input_gradient, layers[:2], x)


@case("nets.gradient_penalty.gradient_penalty", terms=lambda n: n + 40)
def _(on, paint, n):
    module, layers, x = setting(on, paint, n)
    return [module.gradient_penalty(layers, x, target=target) for target in (0.0, 1.0)]


for name in ("TANH", "RELU", "LEAKY_RELU", "IDENTITY"):
    for widths in ((4, 1), (4, 6, 1), WIDTHS):
        # a linear network has one slope everywhere, and float32 sums of 153 equal terms drift
        @case(f"nets.gradient_penalty.gradient_penalty_and_grad#{name}, {len(widths) - 1} layers",
              terms=lambda n: n + 100, sizes=SIZES[:4] if name == "IDENTITY" else SIZES)
        def _(on, paint, n, name=name, widths=widths):
            module, layers, x = setting(on, paint, n, widths)
            return module.gradient_penalty_and_grad(layers, x, target=1.0,
                                                    activation=getattr(on.package.nets.dense, name))


@case("nets.gradient_penalty.gradient_penalty_and_grad#no slope", sizes=(3,))
def _(on, paint, n):
    """No unit of a RELU network is reached: the slope is exactly zero, and so is the gradient."""
    module, layers, x = setting(on, paint, n)
    layers[0][0] -= 100
    layers[1][0] -= 100
    return module.gradient_penalty_and_grad(layers, x, activation=on.package.nets.dense.RELU)


@case("nets.gradient_penalty.gradient_penalty_and_grad#target", sizes=(7,), terms=100)
def _(on, paint, n):
    module, layers, x = setting(on, paint, n)
    return module.gradient_penalty_and_grad(layers, x, target=0.0)
