from tests.agreement.registry import case, error_of, painted

SIZES = (1, 2, 7, 31)
GEOMETRIES = {"plain": (3, {}), "same": (3, {"padding": 1}), "strided": (4, {"stride": 2, "padding": 1}),
              "remainder": (2, {"stride": 3})}
IN, OUT = 2, 3


def kernels(paint, size, n_bias):
    return {"weight": painted(paint, (OUT, IN, size, size)) / size, "bias": painted(paint, (n_bias,))}


def small_size(length, size, stride=1, padding=0):
    return (length + 2 * padding - size) // stride + 1


def large_size(length, size, stride=1, padding=0):
    return stride * (length - 1) + size - 2 * padding


@case("nets.conv.init_conv", sizes=(1, 5))
def _(on, paint, n):
    return on.package.nets.conv.init_conv(on.rng(1), n, 4, 3, gain=0.5)


@case("nets.conv.init_conv_transpose", sizes=(1, 5))
def _(on, paint, n):
    return on.package.nets.conv.init_conv_transpose(on.rng(1), n, 4, 3, stride=2, gain=0.5)


for name, (size, geometry) in GEOMETRIES.items():
    @case(f"nets.conv.conv2d#{name}", sizes=SIZES, terms=IN * size**2)
    def _(on, paint, n, size=size, geometry=geometry):
        return on.package.nets.conv.conv2d(on.put(kernels(paint, size, OUT)),
                                           on.put(painted(paint, (n, IN, 6, 5))), **geometry)

    @case(f"nets.conv.conv2d_vjp#{name}", sizes=SIZES, terms=lambda n: 30 * n)
    def _(on, paint, n, size=size, geometry=geometry):
        cotangent = painted(paint, (n, OUT, small_size(6, size, **geometry), small_size(5, size, **geometry)))
        return on.package.nets.conv.conv2d_vjp(on.put(kernels(paint, size, OUT)),
                                               on.put(painted(paint, (n, IN, 6, 5))), on.put(cotangent),
                                               **geometry)

    @case(f"nets.conv.conv2d_transpose#{name}", sizes=SIZES, terms=OUT * size**2)
    def _(on, paint, n, size=size, geometry=geometry):
        return on.package.nets.conv.conv2d_transpose(on.put(kernels(paint, size, IN)),
                                                     on.put(painted(paint, (n, OUT, 3, 4))), **geometry)

    @case(f"nets.conv.conv2d_transpose_vjp#{name}", sizes=SIZES, terms=lambda n: 100 * n)
    def _(on, paint, n, size=size, geometry=geometry):
        output_size = (large_size(3, size, **geometry) + geometry.get("stride", 1) - 1,
                       large_size(4, size, **geometry))
        return on.package.nets.conv.conv2d_transpose_vjp(on.put(kernels(paint, size, IN)),
                                                         on.put(painted(paint, (n, OUT, 3, 4))),
                                                         on.put(painted(paint, (n, IN, *output_size))),
                                                         output_size=output_size, **geometry)


@case("nets.conv.conv2d#bad input", sizes=(3,))
def _(on, paint, n):
    conv, layer = on.package.nets.conv, on.put(kernels(paint, 3, OUT))
    images, small, flat, other = (on.put(painted(paint, shape))
                                  for shape in ((n, IN, 6, 5), (n, IN, 2, 5), (n, 30), (n, OUT, 6, 5)))
    return ([error_of(conv.conv2d, layer, bad) for bad in (small, flat, other)],
            [error_of(conv.conv2d, layer, images, **bad)
             for bad in ({"stride": 0}, {"stride": 1.5}, {"padding": -1})])


@case("nets.conv.conv2d_transpose#bad input", sizes=(3,))
def _(on, paint, n):
    conv, layer = on.package.nets.conv, on.put(kernels(paint, 3, IN))
    images, flat, other = (on.put(painted(paint, shape))
                           for shape in ((n, OUT, 1, 5), (n, 30), (n, IN, 6, 5)))
    settings = ({"stride": 0}, {"padding": 2}, {"output_size": (4, 7)}, {"output_size": (3,)})
    return [error_of(conv.conv2d_transpose, layer, bad) for bad in (flat, other)], [
        error_of(conv.conv2d_transpose, layer, images, **bad) for bad in settings]
