"""The progress bar: its count, its silence, and what it says where tqdm is missing."""
import sys

import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


@BOTH
def test_a_bar_starts_where_the_work_stands(package, capsys):
    bar = package.runtime.progress.progress_bar(True, 10, unit="epoch", done=4)
    bar.update(6)
    bar.close()
    assert "4/10" in (shown := capsys.readouterr().err) and "10/10" in shown and "epoch" in shown


@BOTH
def test_a_missing_tqdm_is_named_and_needed_only_for_a_bar(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    package.runtime.progress.progress_bar(False, 10, unit="epoch").update(1)
    with pytest.raises(ImportError, match=r"needs tqdm.*diptych\[experiments\]"):
        package.runtime.progress.progress_bar(True, 10, unit="epoch")
