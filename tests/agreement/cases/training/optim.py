from tests.agreement.registry import case, painted


def trees(paint):
    return [{"a": painted(paint, (3, 2)), "b": [painted(paint, (4,))]} for _ in range(2)]


@case("training.optim.init_adam", sizes=(1,))
def _(on, paint, n):
    return on.package.training.optim.init_adam(on.put(trees(paint)[0]))


@case("training.optim.adam_step", sizes=(1, 50), terms=lambda n: 10 * n)
def _(on, paint, n):
    optim = on.package.training.optim
    params, grads = map(on.put, trees(paint))
    state = optim.init_adam(params)
    for _ in range(n):
        params, state = optim.adam_step(params, grads, state, learning_rate=0.01)
    return params, state


for limit in (0.1, 100.0):
    @case(f"training.optim.clip_by_norm#{limit:g}", sizes=(1,), terms=10)
    def _(on, paint, n, limit=limit):
        return on.package.training.optim.clip_by_norm(on.put(trees(paint)[0]), limit)


for name in ("constant", "cosine", "one_cycle"):
    @case(f"training.optim.{name}", sizes=(1,))
    def _(on, paint, n, name=name):
        return [float(getattr(on.package.training.optim, name)(fraction))
                for fraction in (0.0, 0.05, 0.1, 0.7, 1.0)]
