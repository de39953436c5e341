"""Checkpoints: the state of a training run in a file, from which a later call goes on to the same numbers.

A checkpoint belongs to a run: its settings and its data, the `identity`. It holds what the run needs besides,
and the state of the random generator after the last finished epoch.

Example
-------
>>> import os, tempfile
>>> import numpy as np
>>> from reference.training import checkpoint
>>> rng, path = np.random.default_rng(0), os.path.join(tempfile.mkdtemp(), "run.npz")
>>> checkpoint.load(path, "training", {"batch_size": 5}, 2, rng) is None           # nothing yet
True
>>> checkpoint.save(path, "training", {"batch_size": 5}, {"params": np.ones(2), "epoch": 3}, rng)
>>> checkpoint.load(path, "training", {"batch_size": 5}, 2, rng)["epoch"]
3
"""
import os

from reference.runtime import persistence
from reference.runtime.protocols import Rng

__all__ = []
SHARED = ["rng_state", "save", "load"]
__all__ += SHARED


def rng_state(rng: Rng) -> dict | None:
    """What it takes to set a generator back; None for one that cannot tell."""
    return getattr(getattr(rng, "bit_generator", None), "state", None)


def save(path: str, kind: str, identity: dict, state: dict, rng: Rng, *, mark: dict | None = None) -> None:
    """Write the state of a run.

    Parameters
    ----------
    path : str
        The file.
    kind : str
        The loop that wrote it, "training" or "adversarial".
    identity : dict
        Settings and data, which `load` compares.
    state : dict
        Arrays, trees, numbers and strings; "params" is the vector of the parameters.
    rng : Generator
        Its state is written too.
    mark : dict, optional
        The state to write in its place, when numbers of the next epoch have been drawn already.
    """
    persistence.save(path, kind, {"identity": identity, **state, "rng": mark or rng_state(rng)})


def load(path: str | None, kind: str, identity: dict, size: int, rng: Rng) -> dict | None:
    """The saved state of a run, with rng set back to where it was; None where there is no file.

    Parameters
    ----------
    path : str or None
        The file; None for a run without a checkpoint.
    kind : str
        The loop that reads it.
    identity : dict
        Settings and data of the run.
    size : int
        The parameters that the run has.
    rng : Generator
        Must be able to tell its state.

    Raises
    ------
    ValueError
        If the file is of another run, or rng cannot tell its state.
    """
    if path is None:
        return None
    if rng_state(rng) is None:
        raise ValueError("rng: expected a NumPy Generator when a checkpoint is asked for, got one that "
                         "cannot tell its state")
    if not os.path.exists(path):
        return None
    saved = persistence.load(path, kind)
    for key, value in saved.pop("identity").items():
        if identity[key] != value:
            raise ValueError(f"checkpoint: expected {key} = {value!r} as in {os.fspath(path)!r}, got "
                             f"{identity[key]!r}; "
                             "remove the file to train anew")
    if saved["params"].shape != (size,):
        raise ValueError(f"checkpoint: expected parameters of {saved['params'].size} numbers as in "
                         f"{os.fspath(path)!r}, "
                         f"got {size}")
    rng.bit_generator.state = saved["rng"]
    return saved
