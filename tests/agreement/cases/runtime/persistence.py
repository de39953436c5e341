import os
import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted


def tree(paint):
    return {"x": painted(paint, (3, 2)), "list": [1, 2.5, None, "a", {"deep": painted(paint, (2,))}],
            "flag": True}


@case("runtime.persistence.save", sizes=(1,))
def _(on, paint, n):
    persistence = on.package.runtime.persistence
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "saved.npz")
        persistence.save(path, "test", on.put(tree(paint)))
        bad = [error_of(persistence.save, path, "test", value)
               for value in ({"f": len}, {1: 2}, {"c": np.array([1j])})]
        return on.put(persistence.load(path, "test")), bad, os.listdir(folder)


@case("runtime.persistence.load", sizes=(1,))
def _(on, paint, n):
    persistence = on.package.runtime.persistence
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            persistence.save("good.npz", "test", on.put(tree(paint)))
            with open("good.npz", "rb") as file, open("short.npz", "wb") as short:
                short.write(file.read()[:300])
            np.savez("foreign.npz", x=np.zeros(3))
            return (on.put(persistence.load("good.npz", "test")),
                    error_of(persistence.load, "good.npz", "other"),
                    [error_of(persistence.load, name, "test")
                     for name in ("none.npz", "short.npz", "foreign.npz")])
        finally:
            os.chdir(here)
