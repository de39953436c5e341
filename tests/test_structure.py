"""The structure of both packages, read from their source: imports, `__all__`, maps, lengths, annotations,
tests of every page.

The checks themselves are tried below on a small package that breaks each of them.
"""
from pathlib import Path

import pytest

from tests.support import structure
from tests.support.structure import RANKS, pages, public_pages

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("reference", "accel")
FILES = [(package, name) for package in PACKAGES for name in pages(ROOT, package)]
PUBLIC = [page for package in PACKAGES for page in public_pages(ROOT, package).values()]
MAPS = [(package, name) for package, name in FILES if pages(ROOT, package)[name].is_map]
SOURCES = sorted(path for folder in (*PACKAGES, "tests", "experiments") for path in (ROOT / folder).rglob("*")
                 if path.suffix in (".py", ".cu", ".cuh", ".h") and "__pycache__" not in path.parts)
OF_EVERY_FILE = pytest.mark.parametrize(("package", "name"), FILES, ids=[name for _, name in FILES])
OF_EVERY_PAGE = pytest.mark.parametrize("page", PUBLIC, ids=[page.name for page in PUBLIC])


def check(broken):
    assert not broken, "\n  ".join(["", *map(str, broken)])


def test_there_is_much_to_check():
    assert len(PUBLIC) > 140 and len(FILES) > 200 and len(SOURCES) > 400
    assert {name.split(".")[1] for _, name in FILES if "." in name} - {"kernels"} == set(RANKS)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_make_no_circle(package):
    check(structure.cycles(ROOT, package))


@OF_EVERY_FILE
def test_a_file_uses_only_names_that_others_list(package, name):
    check(structure.unlisted_names(ROOT, package, name))


@OF_EVERY_FILE
def test_imports_point_down(package, name):
    check(structure.upward_imports(ROOT, package, name))


@pytest.mark.parametrize("folder", ["accel", "reference", "tests", "experiments"])
def test_lines_are_short(folder):
    check([line for path in SOURCES if path.is_relative_to(ROOT / folder)
           for line in structure.long_lines(path)])


@pytest.mark.parametrize("page", [page for page in PUBLIC if page.name.startswith("reference.")],
                         ids=lambda page: page.name)
def test_a_reference_page_is_short(page):
    assert len(page.text.splitlines()) <= structure.LINES


@OF_EVERY_PAGE
def test_public_functions_are_annotated(page):
    check(structure.annotations_missing(page))


@pytest.mark.parametrize(("package", "name"), MAPS, ids=[name for _, name in MAPS])
def test_a_map_names_its_pages(package, name):
    check(structure.entries_missing(ROOT, package, name))


@OF_EVERY_PAGE
def test_a_page_has_its_test_and_its_cases(page):
    room, _, name = page.name.partition(".")[2].rpartition(".")
    expected = [Path("tests", room, f"test_{name}.py")]
    if structure.has_functions(page) and room:
        expected.append(Path("tests", "agreement", "cases", room, f"{name}.py"))
    check([path for path in expected if not (ROOT / path).is_file()])


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "kernels").glob("test_*.py")),
                         ids=lambda path: path.stem)
def test_tests_of_kernels_are_marked(path):
    assert "pytestmark" in path.read_text("utf-8") and "pytest.mark.kernels" in path.read_text("utf-8")


# The checks on a small package that breaks them


RIGHT = {
    "__init__.py": '"""Map.\n\n    density   one\n    priors    two\n"""\nfrom small import density, priors\n'
    '__all__ = ["density", "priors"]\n',
    "density/__init__.py": '"""Map.\n\n    maf\n    flows\n"""\nfrom small.density import flows, maf\n__all__ = ["flows", "maf"]\n',
    "density/flows.py": '"""Page.\n\n    >>> 1 + 1\n    2\n"""\n__all__ = ["check"]\nSHARED = ["shared"]\n__all__ += SHARED\n'
    'def check(x: int) -> int:\n    return x\ndef shared(x):\n    return x\ndef hidden(x):\n    return x\n',
    "density/maf.py": '"""Page."""\nfrom small import priors\nfrom small.density import flows\nfrom small.priors.normal import Normal\n'
    '__all__ = ["Fit"]\nclass Fit:\n    """Fit."""\n    def __init__(self, x: int):\n        self.x = flows.check(x)\n'
    '    def sample(self, n: int) -> int:\n        return flows.shared(n)\nNormal, priors.Normal\n',
    "priors/__init__.py": '"""Map.\n\n    normal\n"""\nfrom small.priors import normal\nfrom small.priors.normal import Normal\n'
    '__all__ = ["normal", "Normal"]\n',
    "priors/normal.py": '"""Page."""\n__all__ = ["Normal"]\nclass Normal:\n    """Normal."""\nsecret = 3\n',
    "kernels/__init__.py": '"""Map: maf"""\n', "kernels/maf/__init__.py": '"""Map: launch"""\n',
    "kernels/maf/launch.py": '"""Page."""\nfrom small import runtime\n__all__ = []\n',
    "runtime/__init__.py": '"""Map."""\n__all__ = []\n'}


@pytest.fixture
def small(tmp_path):
    """A function that writes the package with some text replaced, {file: (old, new)}, and returns what all
    checks say of it."""
    def write(changes):
        texts = RIGHT | {path: RIGHT.get(path, old).replace(old, new) for path, (old, new) in changes.items()}
        texts["__init__.py"] = texts["__init__.py"].replace("two", "two\n    kernels runtime")
        for path, text in texts.items():
            (tmp_path / "small" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "small" / path).write_text(text)
        files = pages(tmp_path, "small")
        broken = {"cycles": structure.cycles(tmp_path, "small")}
        broken["names"] = [line for name in files
                           for line in structure.unlisted_names(tmp_path, "small", name)]
        broken["upward"] = [line for name in files
                            for line in structure.upward_imports(tmp_path, "small", name)]
        broken["lines"] = [line for page in files.values() for line in structure.long_lines(page.path)]
        broken["annotations"] = [line for page in files.values() if not page.is_map
                                 for line in structure.annotations_missing(page)]
        broken["maps"] = [line for name, page in files.items() if page.is_map and name != "small"
                          for line in structure.entries_missing(tmp_path, "small", name)]
        return {check: lines for check, lines in broken.items() if lines}
    return write


def test_a_right_package_passes(small):
    assert small({}) == {}


@pytest.mark.parametrize(("changes", "broken"), [
    pytest.param({"density/flows.py": ("__all__ = ", "from small.density import maf\n__all__ = ")}, "cycles", id="a circle"),
    pytest.param({"density/flows.py": ("    return x\ndef shared", "    from small.density.maf import Fit\n    return Fit\ndef shared")},
                 "cycles", id="a circle by a late import"),
    pytest.param({"priors/normal.py": ("__all__", "from small import density\ndensity.maf.Fit\n__all__")}, "cycles",
                 id="a circle through a map"),
    pytest.param({"priors/normal.py": ("__all__", "from small.density import flows\n__all__")}, "upward", id="an import that points up"),
    pytest.param({"kernels/maf/launch.py": ("runtime", "density")}, "upward", id="a launcher that imports a page"),
    pytest.param({"density/maf.py": ("flows.shared(n)", "flows.hidden(n)")}, "names", id="an attribute that is not listed"),
    pytest.param({"density/maf.py": ("import Normal", "import Normal, secret")}, "names", id="an import that is not listed"),
    pytest.param({"density/maf.py": ("priors.Normal", "priors.normal.secret")}, "names", id="an attribute through a map"),
    pytest.param({"priors/__init__.py": (', "Normal"]', "]")}, "names", id="a name that a map does not list"),
    pytest.param({"density/flows.py": ("__all__ += SHARED\n", "")}, "names", id="a shared name that is not listed"),
    pytest.param({"density/flows.py": ("1 + 1", "1 + 1" + " " * 110 + "+ 0")}, "lines", id="a long line"),
    pytest.param({"density/flows.py": ("check(x: int) -> int", "check(x) -> int")}, "annotations", id="a bare parameter"),
    pytest.param({"density/flows.py": ("check(x: int) -> int", "check(x: int)")}, "annotations", id="a bare result"),
    pytest.param({"density/maf.py": ("n: int", "n")}, "annotations", id="a bare method"),
    pytest.param({"density/maf.py": ("self, x: int", "self, x")}, "annotations", id="a bare constructor"),
    pytest.param({"density/__init__.py": ("    maf\n", "")}, "maps", id="a page that a map does not describe"),
    pytest.param({"density/__init__.py": (', "maf"]', "]")}, "maps", id="a page that a map does not list"),
    pytest.param({"kernels/__init__.py": ("maf", "")}, "maps", id="a kernel that no map describes")])
def test_a_wrong_package_is_caught(small, changes, broken):
    assert all(old in RIGHT[path] for path, (old, _) in changes.items())
    assert broken in small(changes)


def test_a_variable_hides_a_module(small):
    hiding = ("def check(x: int) -> int:",
              "from small.priors import normal\ndef check(normal: int) -> int:\n    normal.secret\n"
              "    return [normal.secret for normal in [0]]\ndef other(x: int) -> int:")
    assert small({"density/flows.py": hiding}) == {}
