"""Which tests belong to one page of the packages: `pytest --page density.maf`.

A page is a module that both packages have, by its dotted name without the package's. Its tests are

    truth        tests/density/test_maf.py
    kernels      tests/kernels/test_<kernel>.py for every kernel that the page of accel imports, by its folder
    the rest     every test with a parameter of that name, or of a name in it: agreement, mirror, conformance,
                 structure, examples
"""
import ast
import re
from pathlib import Path

import pytest

__all__ = ["ROOT", "files", "kernels", "chosen"]

ROOT = Path(__file__).resolve().parents[2]


def files(page):
    """The files of a page in the two packages.

    Raises
    ------
    pytest.UsageError
        If neither package has it.
    """
    found = [path for package in ("reference", "accel")
             if (path := ROOT / package / f"{page.replace('.', '/')}.py").is_file()]
    if not found:
        raise pytest.UsageError(f"--page: expected the name of a page such as density.maf, got {page!r}")
    return found


def kernels(page):
    """The folders in accel/kernels whose launchers the page imports."""
    names = set()
    for path in files(page):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            names.update(module.split(".")[2] for module in modules if module.startswith("accel.kernels."))
    return {name for name in names if (ROOT / "accel" / "kernels" / name).is_dir()}


def chosen(page, items):
    """The items that belong to the page."""
    truth = [
        f"tests/{page.replace('.', '/').rpartition('/')[0]}/test_{page.rpartition('.')[2]}.py".replace("//",
                                                                                                       "/")]
    truth += [f"tests/kernels/test_{name}.py" for name in kernels(page)]
    named = re.compile(rf"[\[\-](?:reference\.|accel\.)?{re.escape(page)}(?![\w])")
    return {item for item in items if item.nodeid.partition("::")[0] in truth or named.search(item.name)}
