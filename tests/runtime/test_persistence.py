"""Saved files: what comes back, what is refused, and that nothing is lost on the way."""
import json
import os
import pickle

import numpy as np
import pytest

import accel
import reference

PACKAGES = [pytest.param(reference, id="reference"), pytest.param(accel, id="accel")]
both = pytest.mark.parametrize("package", PACKAGES)

TREE = {
    "name": "Größe Δθ ✓ \u0000 \"quoted\" \\", "flag": True, "none": None, "n": 12345678901234567890,
    "x": 0.1, "tiny": 5e-324,
    "list": [1, [2.5, {"deep": [np.arange(3.0)]}], "b", []], "empty": {}, "array": 3,
    "dict": {"array": np.float32(0.1)},
    "Schlüssel/mit Zeichen": {"φ": np.array([[1.5, -2.5]])},
    "float32": np.array([0.1, np.nan, -np.inf], np.float32), "float64": np.array(0.1),
    "int64": np.array([[2**62, -1]]),
    "uint8": np.zeros((0, 2), np.uint8), "bool": np.array([True, False]),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(10.0)[::3], "tuple": (1, 2)}


def assert_same(left, right):
    """Equal in structure, types, dtypes, shapes and every bit; a tuple comes back as a list."""
    if isinstance(right, dict):
        assert list(left) == list(right)
        for key in right:
            assert_same(left[key], right[key])
    elif isinstance(right, (list, tuple)):
        assert type(left) is list and len(left) == len(right)
        for a, b in zip(left, right):
            assert_same(a, b)
    elif isinstance(right, np.ndarray):
        assert type(left) is np.ndarray and (left.dtype, left.shape) == (right.dtype, right.shape)
        assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    else:
        plain = right.item() if isinstance(right, np.generic) else right
        assert type(left) is type(plain) and left == plain


def refusal(package, path, kind="thing"):
    with pytest.raises(ValueError) as caught:
        package.runtime.persistence.load(path, kind)
    text = str(caught.value)
    assert text.startswith("path: expected ") and str(path) in text
    return text


@pytest.mark.parametrize("writer", PACKAGES)
@pytest.mark.parametrize("reader", PACKAGES)
def test_what_is_saved_comes_back_in_either_package(tmp_path, writer, reader):
    path = tmp_path / "größe.npz"
    writer.runtime.persistence.save(path, "thing", TREE)
    assert_same(reader.runtime.persistence.load(path, "thing"), TREE)
    assert_same(reader.runtime.persistence.load(str(path), "thing"), TREE)
    assert os.listdir(tmp_path) == ["größe.npz"]


def test_the_two_packages_write_the_same_file(tmp_path):
    reference.runtime.persistence.save(tmp_path / "a", "thing", TREE)
    accel.runtime.persistence.save(tmp_path / "b", "thing", TREE)
    with np.load(tmp_path / "a") as a, np.load(tmp_path / "b") as b:
        assert a.files == b.files and str(a["header"]) == str(b["header"])


@both
def test_the_file_is_named_as_it_was_asked(tmp_path, package):
    package.runtime.persistence.save(tmp_path / "no_suffix", "thing", {"x": 1})
    assert os.listdir(tmp_path) == ["no_suffix"]
    assert package.runtime.persistence.load(tmp_path / "no_suffix", "thing") == {"x": 1}


@both
def test_numbers_in_the_header_keep_every_bit(tmp_path, package):
    values = [0.1, 1 / 3, 1e308, 5e-324, -0.0, float("inf"), -float("inf"), float("nan"), 2**70, -1]
    package.runtime.persistence.save(tmp_path / "f", "thing", {"values": values})
    back = package.runtime.persistence.load(tmp_path / "f", "thing")["values"]
    assert [repr(value) for value in back] == [repr(value) for value in values]


def test_device_arrays_are_saved_and_come_back_on_the_host(tmp_path):
    from tests.agreement.backends import uses_cuda
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    from tests import strict_cupy
    cupy = strict_cupy.install()
    accel.runtime.persistence.save(tmp_path / "f", "thing", {"x": [cupy.arange(3, dtype="float32")]})
    assert_same(reference.runtime.persistence.load(tmp_path / "f", "thing"),
                {"x": [np.arange(3, dtype=np.float32)]})


def test_a_frozen_tree_is_saved_as_the_tree_that_it_is(tmp_path):
    packed = accel.runtime.tree.frozen({"a": np.arange(4.0).reshape(2, 2), "b": [np.ones(1)]})
    accel.runtime.persistence.save(tmp_path / "f", "thing", {"params": packed})
    assert_same(accel.runtime.persistence.load(tmp_path / "f", "thing"),
                {"params": {"a": np.arange(4.0).reshape(2, 2), "b": [np.ones(1)]}})


@both
@pytest.mark.parametrize("bad", [len, {1, 2}, 1j, np.complex64(1), np.array([1j]), np.array(["a"]),
                                 np.array([None]), object(), b"bytes",
                                 np.datetime64("2026-01-01"), np.bytes_(b"a"), np.longdouble(1), {1: 2},
                                 {("a",): 1}],
                         ids=lambda bad: type(bad).__name__)
def test_what_cannot_be_saved_is_refused_and_named(tmp_path, package, bad):
    path = tmp_path / "f"
    package.runtime.persistence.save(path, "thing", {"old": 1})
    with pytest.raises(ValueError, match="thing/list/1.*: expected"):
        package.runtime.persistence.save(path, "thing", {"list": [0, bad]})
    assert os.listdir(tmp_path) == ["f"] and package.runtime.persistence.load(path, "thing") == {"old": 1}


# Files that are not what they should be


@both
def test_a_missing_file_and_a_folder_say_so(tmp_path, package):
    with pytest.raises(FileNotFoundError):
        package.runtime.persistence.load(tmp_path / "none", "thing")
    with pytest.raises(IsADirectoryError):
        package.runtime.persistence.load(tmp_path, "thing")
    with pytest.raises(OSError):
        package.runtime.persistence.save(tmp_path / "no folder" / "f", "thing", {})


@both
def test_another_kind_is_named(tmp_path, package):
    package.runtime.persistence.save(tmp_path / "f", "pca", {"x": 1})
    text = refusal(package, tmp_path / "f", "npe")
    assert "expected a saved 'npe', got a saved 'pca'" in text


def rewrite(path, change):
    """Change the header of a saved file."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop("header")))
    change(header)
    with open(path, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


@both
def test_a_newer_version_asks_for_an_update(tmp_path, package):
    package.runtime.persistence.save(tmp_path / "f", "thing", TREE)
    rewrite(tmp_path / "f", lambda header: header.update(version=2, tree="of another form", extra=1))
    text = refusal(package, tmp_path / "f")
    assert "expected format version 1 or older, got version 2" in text and "update" in text


@both
@pytest.mark.parametrize("change", [
    pytest.param(lambda header: header.pop("version"), id="no version"),
    pytest.param(lambda header: header.pop("kind"), id="no kind"),
    pytest.param(lambda header: header.pop("tree"), id="no tree"),
    pytest.param(lambda header: header.update(format="other"), id="other format"),
    pytest.param(lambda header: header.update(version="new"), id="a word for a version"),
    pytest.param(lambda header: header.update(tree={"array": "array99"}), id="an array that is not there"),
    pytest.param(lambda header: header.update(tree={"neither": 1}), id="a tree of another form"),
    pytest.param(dict.clear, id="empty")])
def test_a_header_of_another_form_is_foreign(tmp_path, package, change):
    package.runtime.persistence.save(tmp_path / "f", "thing", {"x": np.ones(2)})
    rewrite(tmp_path / "f", change)
    assert "truncated or foreign" in refusal(package, tmp_path / "f")


@both
@pytest.mark.parametrize("write", [
    pytest.param(lambda path: np.savez(path, x=np.ones(3)), id="another npz"),
    pytest.param(lambda path: np.savez(path, header=np.array("words")), id="a header of words"),
    pytest.param(lambda path: np.savez(path, header=np.array("[1, 2]")), id="a header that is a list"),
    pytest.param(lambda path: np.savez(path, header=np.ones(3)), id="a header of numbers"),
    pytest.param(lambda path: np.savez_compressed(path, x=np.ones(3)), id="a compressed npz"),
    pytest.param(lambda path: np.save(path, np.ones(3)), id="an npy"),
    pytest.param(lambda path: path.write_bytes(b""), id="an empty file"),
    pytest.param(lambda path: path.write_bytes(b"PK\3\4"), id="four bytes"),
    pytest.param(lambda path: path.write_text("theta,x\n1,2\n"), id="a table"),
    pytest.param(lambda path: path.write_bytes(bytes(range(256)) * 20), id="noise")])
def test_a_foreign_file_is_refused(tmp_path, package, write):
    path = tmp_path / "f.npz"
    write(path)
    os.rename(next(tmp_path.iterdir()), path)
    assert "truncated or foreign" in refusal(package, path)


class Trap:
    """Unpickling it would leave a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@both
def test_a_pickle_is_never_opened(tmp_path, package):
    (tmp_path / "plain").write_bytes(pickle.dumps(Trap(tmp_path / "mark")))
    with open(tmp_path / "inside", "wb") as file:
        np.savez(file, header=np.array(Trap(tmp_path / "mark")))
    package.runtime.persistence.save(tmp_path / "array", "thing", {"x": np.ones(2)})
    with np.load(tmp_path / "array") as archive:
        header = archive["header"]
    with open(tmp_path / "array", "wb") as file:
        np.savez(file, header=header, array0=np.array([Trap(tmp_path / "mark")]))
    for name in ("plain", "inside", "array"):
        refusal(package, tmp_path / name)
    assert not (tmp_path / "mark").exists()


@both
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, package):
    package.runtime.persistence.save(tmp_path / "f", "thing", {"x": np.arange(20.0), "words": "some"})
    whole = (tmp_path / "f").read_bytes()
    short = tmp_path / "short"
    for end in [*range(0, len(whole), 7), *range(len(whole) - 30, len(whole))]:
        short.write_bytes(whole[:end])
        refusal(package, short)


@both
def test_a_damaged_file_is_refused_or_read_as_it_was(tmp_path, package):
    """A flipped bit is found by the archive's checksum, unless it lies where nothing is read."""
    tree = {"x": np.arange(20.0), "words": "some"}
    package.runtime.persistence.save(tmp_path / "f", "thing", tree)
    whole, refused = (tmp_path / "f").read_bytes(), 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            back = package.runtime.persistence.load(tmp_path / "damaged", "thing")
        except ValueError:
            refused += 1
        else:
            assert_same(back, tree)
    assert refused > len(whole) / 3 / 2


# Interruptions


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space left"), MemoryError])
def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, monkeypatch, package, error):
    path = tmp_path / "f"
    package.runtime.persistence.save(path, "thing", {"old": np.ones(3)})

    def interrupted(file, **arrays):
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        package.runtime.persistence.save(path, "thing", {"new": np.zeros(3)})
    assert os.listdir(tmp_path) == ["f"]
    assert_same(package.runtime.persistence.load(path, "thing"), {"old": np.ones(3)})


@both
def test_saving_again_replaces(tmp_path, package):
    for n in (1, 5, 2):
        package.runtime.persistence.save(tmp_path / "f", "thing", {"x": np.ones(n)})
        assert_same(package.runtime.persistence.load(tmp_path / "f", "thing"), {"x": np.ones(n)})
    assert os.listdir(tmp_path) == ["f"]
