"""A bar that shows how far a long computation is, or nothing.

As `reference.runtime.progress`: progress is counted on the host, whatever the device.
"""
from types import SimpleNamespace

__all__ = ["progress_bar"]


def progress_bar(show, total, *, unit, done=0, abbreviate=False):
    """A tqdm bar over `total` units, `done` of them behind it; if not asked for, an object that shows nothing.

    With abbreviate a count of 2,000,000 is shown as 2.00M. Either way it has update(n) and close().

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
        raise ImportError("a progress bar needs tqdm, which is not installed: pip install 'diptych[experiments]'") from None
    return tqdm(total=total, initial=done, unit=unit, unit_scale=abbreviate)
