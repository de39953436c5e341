"""A progress bar for a long computation, or nothing.

All bars are made here, so that each names its unit and a missing tqdm gives the same error. Progress is
counted on the host.

Example
-------
>>> from accel.runtime.progress import progress_bar
>>> bar = progress_bar(False, 3, unit="epoch")
>>> bar.update(1)
>>> bar.close()
"""
from types import SimpleNamespace
from typing import Any

__all__ = ["progress_bar"]


def progress_bar(show: bool, total: int, *, unit: str, done: int = 0, abbreviate: bool = False) -> Any:
    """A tqdm bar or, if none is asked for, an object that shows nothing. Both have update(n) and close().

    Parameters
    ----------
    show : bool
        Whether a bar is asked for.
    total : int
        Units of the whole computation.
    unit : str
        What is counted, such as "epoch".
    done : int
        Units that are finished already.
    abbreviate : bool
        Show a count of 2,000,000 as 2.00M.

    Raises
    ------
    ImportError
        If a bar is asked for and tqdm is not installed.
    """
    if not show:
        return SimpleNamespace(update=lambda n: None, close=lambda: None)
    try:
        from tqdm import tqdm
    except ImportError:
        raise ImportError("a progress bar needs tqdm, which is not installed: "
                          "pip install 'diptych[experiments]'") from None
    return tqdm(total=total, initial=done, unit=unit, unit_scale=abbreviate)
