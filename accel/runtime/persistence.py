"""Saved objects: one .npz file with a versioned JSON header, never a pickle.

The header says what the object is, and holds its tree of plain values (dict, list, str, number, bool, None).
Each array of the tree is an entry of the archive; the header names the entry in its place. The file is
written beside its destination and then moved there, so that an interrupted save leaves the old file whole.

Conventions   `kind` says what was saved ("pca", "npe", …); loading asks for the kind that it can use. A file
              that either package wrote loads in the other, in the dtype that was saved, as host arrays.

Example
-------
>>> import os, tempfile
>>> import numpy as np
>>> from accel.runtime import persistence
>>> with tempfile.TemporaryDirectory() as folder:
...     path = os.path.join(folder, "line.npz")
...     persistence.save(path, "line", {"slope": np.array([1.0, 2.0]), "name": "a"})
...     print(persistence.load(path, "line"))
{'slope': array([1., 2.]), 'name': 'a'}
"""
import json
import os
from typing import Any

import numpy as np

from accel.runtime._arrays import to_host

__all__ = ["save", "load"]

FORMAT, VERSION = "diptych", 1


def save(path: str | os.PathLike, kind: str, tree: dict[str, Any]) -> None:
    """Write a tree of plain values and arrays.

    Parameters
    ----------
    path : str or path-like
        The file, exactly as named; its folder must exist.
    kind : str
        What the tree is.
    tree : dict
        Values of any type that JSON knows, and real arrays, at any depth.

    Raises
    ------
    ValueError
        If the tree holds anything else.
    OSError
        If the file cannot be written; an older file of that name is then unchanged.
    """
    arrays = {}
    values = _describe(to_host(tree), arrays, kind)
    header = {"format": FORMAT, "version": VERSION, "kind": kind, "tree": values}
    beside = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), **arrays)
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)


def load(path: str | os.PathLike, kind: str) -> dict[str, Any]:
    """The tree that `save` wrote, on the host.

    Parameters
    ----------
    path : str or path-like
    kind : str
        What the file must hold.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        If there is no such file, or it cannot be opened.
    ValueError
        If the file is truncated, foreign, of another kind, or from a newer version of the format.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays.pop("header")))
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']!r}")
        version, found = int(header["version"]), str(header["kind"])
        tree = _restore(header["tree"], arrays) if version <= VERSION and found == kind else None
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:                     # whatever a file of another origin makes the readers raise
        raise ValueError(f"path: expected a file saved by diptych, got {os.fspath(path)!r}, "
                         f"which is truncated or foreign ({type(error).__name__}: {error})") from None
    if version > VERSION:
        raise ValueError(f"path: expected format version {VERSION} or older, got version {version} "
                         f"in {os.fspath(path)!r}; update diptych to read it")
    if found != kind:
        raise ValueError(f"path: expected a saved {kind!r}, got a saved {found!r} in {os.fspath(path)!r}")
    return tree


def _describe(value, arrays, where):
    """The value with {"array": name} in place of each array, which goes into `arrays` under that name."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(f"{where}: expected keys that are strings, got {list(value)}")
        return {"dict": [[key, _describe(sub, arrays, f"{where}/{key}")] for key, sub in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_describe(sub, arrays, f"{where}/{i}") for i, sub in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    kind = type(value).__name__
    raise ValueError(f"{where}: expected a number, string, list, dict or real array, got {kind}")


def _restore(value, arrays):
    """What `_describe` described."""
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {key: _restore(sub, arrays) for key, sub in value["dict"]}
    return [_restore(sub, arrays) for sub in value] if isinstance(value, list) else value
