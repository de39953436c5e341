import tempfile

from tests.agreement.registry import case, error_of, painted

SIZES = (7, 31, 153)


def data(paint, n):
    return painted(paint, (n, 5)) @ painted(paint, (5, 5)) + 3.0


@case("representation.pca.fit", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    return on.package.representation.pca.fit(on.put(data(paint, n)), n_components=3)


@case("representation.pca.PCA.transform", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    x = on.put(data(paint, n))
    return on.package.representation.pca.fit(x, n_components=3, whiten=True).transform(x)


@case("representation.pca.PCA.inverse_transform", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    x, z = on.put(data(paint, n)), on.put(painted(paint, (n, 3)))
    return on.package.representation.pca.fit(x, n_components=3, whiten=True).inverse_transform(z)


@case("representation.pca.PCA.save", sizes=(31,), terms=600)
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        pca = on.package.representation.pca
        pca.fit(on.put(data(paint, n)), n_components=3).save(folder + "/pca.npz")
        return on.put(pca.load(folder + "/pca.npz"))


@case("representation.pca.load", sizes=(31,))
def _(on, paint, n):
    return error_of(on.package.representation.pca.load, "no such file")
