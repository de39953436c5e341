"""The files that hold no numbers: the same in both packages, byte for byte, but for the package's name.

They cannot drift apart. A file whose twin computes in another way does not belong here.
"""
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IDENTICAL = [
    "density/__init__.py",
    "density/_help.py",
    "generative/__init__.py",
    "inference/__init__.py",
    "nets/__init__.py",
    "nets/_help.py",
    "numerics/__init__.py",
    "preprocessing/__init__.py",
    "priors/__init__.py",
    "priors/constants.py",
    "priors/registry.py",
    "representation/__init__.py",
    "runtime/__init__.py",
    "runtime/checks.py",
    "runtime/persistence.py",
    "runtime/progress.py",
    "runtime/protocols.py",
    "runtime/rows.py",
    "simulators/__init__.py",
    "training/__init__.py",
    "training/checkpoint.py",
    "training/inputs.py",
    "validation/__init__.py",
    "validation/corner_plot.py",
]


@pytest.mark.parametrize("name", IDENTICAL)
def test_twins_without_numbers_are_identical(name):
    left, right = (ROOT / package / name for package in ("reference", "accel"))
    assert left.read_bytes().replace(b"reference", b"accel") == right.read_bytes(), f"diff {left} {right}"
