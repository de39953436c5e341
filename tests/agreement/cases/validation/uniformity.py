from tests.agreement.cases.validation.pit import GRID, values
from tests.agreement.registry import case, error_of

for page in ("uniformity", "pit"):                            # where the tests are, and where users find them
    @case(f"validation.{page}.curve", terms=1)
    def _(on, paint, n, page=page):
        curve = getattr(on.package.validation, page).curve
        return curve(on.put(values(paint, n)), on.put(GRID)), curve(on.put(values(paint, n)), GRID)

    @case(f"validation.{page}.band", terms=1)
    def _(on, paint, n, page=page):
        return getattr(on.package.validation, page).band(n, on.put(GRID), level=0.9)

    @case(f"validation.{page}.ks_p_values")
    def _(on, paint, n, page=page):
        return getattr(on.package.validation, page).ks_p_values(on.put(values(paint, n)))

    @case(f"validation.{page}.neyman_p_values", sizes=(20, 31, 153), terms=lambda n: 10 * n)
    def _(on, paint, n, page=page):
        p_values = getattr(on.package.validation, page).neyman_p_values
        return [p_values(on.put(values(paint, n)), order=order) for order in (1, 2, 4, 7)]


@case("validation.uniformity.curve#refused", sizes=(3,))
def _(on, paint, n):
    module, good = on.package.validation.uniformity, values(paint, n)
    bads = (good - 0.75, good[:, 0], good[:0], good[:, :0], good * float("nan"))
    return ([error_of(module.curve, on.put(bad), GRID) for bad in bads],
            [error_of(module.curve, on.put(good), on.put(bad))
             for bad in (GRID[::-1], GRID * 2, GRID[:0], GRID + float("nan"))],
            [error_of(module.band, 10, GRID, level=bad) for bad in (0, 1, 2.5)],
            error_of(module.band, 0, GRID),
            error_of(module.neyman_p_values, on.put(good)),
            error_of(module.neyman_p_values, on.put(good), order=0))
