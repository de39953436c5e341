"""Saved objects: one .npz file with a versioned JSON header, never a pickle.

The format is described in `reference.runtime.persistence`. Same files; arrays are brought from their device on the way out, and
come back as host arrays: `accel.device.put` moves what was loaded.
"""
import json
import os

import numpy as np

from accel.device import to_host

__all__ = ["save", "load"]

FORMAT, VERSION = "diptych", 1


def save(path, kind, tree):
    """Write a tree of plain values and arrays."""
    arrays = {}
    header = {"format": FORMAT, "version": VERSION, "kind": kind, "tree": _describe(to_host(tree), arrays, kind)}
    beside = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), **arrays)
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)


def load(path, kind):
    """The tree that `save` wrote, on the host."""
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
    except Exception as error:                                 # whatever a file of another origin makes the readers raise
        raise ValueError(f"path: expected a file saved by diptych, got {os.fspath(path)!r}, "
                         f"which is truncated or foreign ({type(error).__name__}: {error})") from None
    if version > VERSION:
        raise ValueError(f"path: expected format version {VERSION} or older, got version {version} in {os.fspath(path)!r}; "
                         "update diptych to read it")
    if found != kind:
        raise ValueError(f"path: expected a saved {kind!r}, got a saved {found!r} in {os.fspath(path)!r}")
    return tree


def _describe(value, arrays, where):
    """The value with each array replaced by {"array": its name in the archive}, which is put into arrays."""
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
    raise ValueError(f"{where}: expected a number, string, list, dict or real array, got {type(value).__name__}")


def _restore(value, arrays):
    if isinstance(value, dict):
        return arrays[value["array"]] if "array" in value else {key: _restore(sub, arrays) for key, sub in value["dict"]}
    return [_restore(sub, arrays) for sub in value] if isinstance(value, list) else value
