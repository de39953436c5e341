"""A table of results, filled from the top: in memory, or as .npy files in a folder where it is continued.

    folder/<field>.npy        one file for each field, of its full length from the start
    folder/catalogue.json     the arguments of the run and the number of its finished rows, written after them

Example
-------
>>> import numpy as np
>>> from accel.runtime.rows import Rows
>>> rows = Rows("squares", {"square": ((), float), "flag": ((), int)}, 5, {"seed": 1}, folder=None)
>>> rows.write({"square": np.array([0.0, 1.0, 4.0]), "flag": np.zeros(3, int)})
>>> print(rows.done, rows.finished()["square"])
3 [0. 1. 4.]
"""
import hashlib
import json
import os
import pathlib
import time

import numpy as np

from accel.runtime import checks

__all__ = []
SHARED = ["Rows", "read", "check_table", "fingerprint", "fingerprint_of_rows"]
__all__ += SHARED

LEDGER, FORMAT, VERSION = "catalogue.json", "diptych-catalogue", 1
SECONDS = 5                                                           # between two writes of the ledger


class Rows:
    """n rows of the fields {name: (shape of a row, dtype)}, of which the first `done` are finished."""

    def __init__(self, kind, fields, n, identity, folder):
        self.n, self.done, self.saved = n, 0, time.monotonic()
        self.folder = None if folder is None else pathlib.Path(folder)
        if folder is None:
            self.arrays = {name: np.empty((n, *shape), dtype) for name, (shape, dtype) in fields.items()}
            return
        self.ledger = json.loads(json.dumps(
            {"format": FORMAT, "version": VERSION, "kind": kind, "n": n, "identity": identity}))
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / LEDGER).exists():
            found = read_ledger(self.folder)
            for ours, theirs in ((self.ledger, found), (self.ledger["identity"], found["identity"])):
                for key in (key for key in ours if key != "identity" and theirs.get(key) != ours[key]):
                    raise ValueError("out: expected an empty folder or a run with the same arguments, got "
                                     f"one whose {key} is {theirs.get(key)!r}, not {ours[key]!r}, in "
                                     f"{str(folder)!r}")
            self.done = found["done"]
        mode = "r+" if self.done else "w+"
        self.arrays = {name: np.lib.format.open_memmap(self.folder / f"{name}.npy", mode, dtype, (n, *shape))
                       for name, (shape, dtype) in fields.items()}
        self.save()

    def write(self, values):
        """Write the next rows, {name: (m, …)}."""
        rows = slice(self.done, self.done + len(values["flag"]))
        for name, array in self.arrays.items():
            array[rows] = values[name]
        self.done = rows.stop
        if time.monotonic() - self.saved > SECONDS:
            self.save()

    def save(self):
        """In a folder, flush the finished rows to the disk, and then write their number."""
        if self.folder is None:
            return
        for array in self.arrays.values():
            array.flush()
        beside = self.folder / f"{LEDGER}.part"
        beside.write_text(json.dumps({**self.ledger, "done": self.done}, indent=1), "utf-8")
        os.replace(beside, self.folder / LEDGER)
        self.saved = time.monotonic()

    def finished(self):
        """{name: the finished rows}."""
        return {name: array[:self.done] for name, array in self.arrays.items()}

    def advice(self, first):
        """How to continue."""
        return ("call again with the same arguments to go on" if self.folder is not None else
                f"to go on, call again with x[{self.done}:] and first={first + self.done}")


def read(folder):
    """The kind of a run and its finished rows, {name: memmap}; ValueError if the folder holds none."""
    folder = pathlib.Path(folder)
    ledger = read_ledger(folder)
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False)[:ledger["done"]]
              for path in sorted(folder.glob("*.npy"))}
    return ledger["kind"], arrays


def read_ledger(folder):
    try:
        ledger = json.loads((folder / LEDGER).read_text("utf-8"))
        if ledger["format"] != FORMAT or ledger["version"] > VERSION:
            raise ValueError(f"format {ledger['format']!r}, version {ledger['version']!r}")
    except FileNotFoundError:
        raise
    except Exception as error:                                        # of any type, if the file is foreign
        raise ValueError(f"out: expected a folder with a catalogue of diptych, got {str(folder)!r}, whose "
                         f"{LEDGER} is foreign ({type(error).__name__}: {error})") from None
    return ledger


def check_table(x, width):
    """The table x itself, or a ValueError if its width or dtype does not fit; its rows are not read."""
    x = x if hasattr(x, "shape") else np.asarray(x)
    checks.as_array("x", x[:0] if x.ndim else x, ("N", width))
    if np.ma.is_masked(x):
        raise ValueError("x: expected an array without masked entries, got some; x.filled(np.nan) flags "
                         "their rows")
    checks.check_count("x: number of rows", len(x))
    return x


def fingerprint(arrays):
    """A short name for the numbers in host arrays."""
    together = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(together).hexdigest()[:16]


def fingerprint_of_rows(x):
    """A short name for a table, from 64 of its rows."""
    return fingerprint(np.asarray(x[i:i + 1], float) for i in np.linspace(0, len(x) - 1, 64).astype(int))
