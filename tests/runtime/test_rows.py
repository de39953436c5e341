"""A table of results: filled in memory or in a folder, continued from what was counted, and told apart from
others."""
import json

import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
FIELDS = {"mean": ((2,), np.float64), "flag": ((), np.uint8)}


def part(start, n):
    return {"mean": np.arange(2.0 * start, 2.0 * (start + n)).reshape(n, 2), "flag": np.zeros(n, np.uint8)}


@BOTH
def test_rows_are_filled_from_the_top(package, tmp_path):
    for folder in (None, tmp_path / "run"):
        rows = package.runtime.rows.Rows("kind", FIELDS, 5, {"seed": 1}, folder)
        rows.write(part(0, 2))
        rows.write(part(2, 1))
        assert rows.done == 3 and rows.finished()["mean"].tolist() == [[0, 1], [2, 3], [4, 5]]
        assert ("x[3:] and first=103" in rows.advice(100)) is (folder is None)


@BOTH
def test_only_rows_that_were_counted_are_continued_from(package, tmp_path):
    module = package.runtime.rows
    rows = module.Rows("kind", FIELDS, 5, {"seed": 1}, tmp_path)
    rows.write(part(0, 2))
    rows.save()
    rows.write(part(2, 1))                                            # flushed perhaps, and not counted
    assert module.Rows("kind", FIELDS, 5, {"seed": 1}, tmp_path).done == 2
    kind, arrays = module.read(tmp_path)
    assert kind == "kind" and arrays["mean"].tolist() == [[0, 1],
                                                          [2, 3]] and not arrays["mean"].flags.writeable


@BOTH
@pytest.mark.parametrize(("kind", "n", "identity", "key"), [
    ("other", 5, {"seed": 1}, "kind"), ("kind", 6, {"seed": 1}, "n"), ("kind", 5, {"seed": 2}, "seed")])
def test_another_run_is_refused(package, tmp_path, kind, n, identity, key):
    package.runtime.rows.Rows("kind", FIELDS, 5, {"seed": 1}, tmp_path)
    with pytest.raises(ValueError,
                       match=f"out: expected an empty folder or a run with the same arguments, .* {key} is"):
        package.runtime.rows.Rows(kind, FIELDS, n, identity, tmp_path)


@BOTH
def test_a_foreign_folder_is_refused(package, tmp_path):
    with pytest.raises(FileNotFoundError):
        package.runtime.rows.read(tmp_path)
    for text in ("{", json.dumps({"format": "another"}),
                 json.dumps({"format": "diptych-catalogue", "version": 99})):
        (tmp_path / "catalogue.json").write_text(text)
        with pytest.raises(ValueError, match="out: expected a folder with a catalogue of diptych"):
            package.runtime.rows.read(tmp_path)


@BOTH
def test_a_table_is_not_read_when_it_is_checked(package):
    class Table:
        shape, ndim, dtype = (10**9, 3), 2, np.dtype(float)

        def __len__(self):
            return 10**9

        def __getitem__(self, rows):
            assert rows == slice(None, 0)
            return np.zeros((0, 3))
    assert isinstance(package.runtime.rows.check_table(Table(), 3), Table)
    for bad, message in ((np.zeros((4, 2)), r"x: expected shape \(N, 3\)"),
                         (np.zeros((0, 3)), "x: number of rows"),
                         (np.ma.masked_less(np.zeros((4, 3)), 1),
                          "x: expected an array without masked entries")):
        with pytest.raises(ValueError, match=message):
            package.runtime.rows.check_table(bad, 3)


@BOTH
def test_a_fingerprint_tells_numbers_apart(package):
    module, x = package.runtime.rows, np.random.default_rng(0).standard_normal((500, 3))
    assert module.fingerprint([x]) == module.fingerprint([x.copy()]) != module.fingerprint([x + 1e-15])
    assert module.fingerprint_of_rows(x) == module.fingerprint_of_rows(np.asfortranarray(x))
    assert module.fingerprint_of_rows(x) != module.fingerprint_of_rows(x[::-1])
    assert reference.runtime.rows.fingerprint([x]) == accel.runtime.rows.fingerprint([x])
