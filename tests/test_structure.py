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
MAPS = [(package, name) for package, name in FILES
        if pages(ROOT, package)[name].is_map and not name.startswith("accel.kernels.")]
KERNELS = sorted((ROOT / "tests" / "kernels").glob("test_*.py"))
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


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_neither_its_twin_nor_experiments_nor_tests(package):
    others = {"reference", "accel", "experiments", "tests"} - {package}
    found = {name: others & structure.roots(page) for name, page in pages(ROOT, package).items()}
    check([f"{name} imports {', '.join(roots)}" for name, roots in found.items() if roots])


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


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_tests_that_run_kernels_are_marked(path):
    """A test that launches a kernel without the mark fails by itself; this holds for those that only
    compile."""
    text = path.read_text("utf-8")
    runs = any(word in text for word in ("strict_cupy", "accel_backends", "kernels.compile import"))
    assert not runs or "pytest.mark.kernels" in text


# The checks on a small package that breaks them


RIGHT = {
    "__init__.py": '''"""Map.

    density   one
    priors    two
    kernels   three
    runtime   four
"""
from small import density, priors
__all__ = ["density", "priors"]
''',
    "density/__init__.py": '''"""Map.

    maf
    flows
"""
from small.density import flows, maf
__all__ = ["flows", "maf"]
''',
    "density/flows.py": '''"""Page.

    >>> 1 + 1
    2
"""
__all__ = ["check"]
SHARED = ["shared"]
__all__ += SHARED
def check(x: int) -> int:
    return x
def shared(x):
    return x
def hidden(x):
    return x
''',
    "density/maf.py": '''"""Page."""
from small import priors
from small.density import flows
from small.priors.normal import Normal
__all__ = ["Fit"]
class Fit:
    """Fit."""
    def __init__(self, x: int):
        self.x = flows.check(x)
    def sample(self, n: int) -> int:
        return flows.shared(n)
Normal, priors.Normal
''',
    "priors/__init__.py": '''"""Map.

    normal
"""
from small.priors import normal
from small.priors.normal import Normal
__all__ = ["normal", "Normal"]
''',
    "priors/normal.py": '''"""Page."""
__all__ = ["Normal"]
class Normal:
    """Normal."""
secret = 3
''',
    "kernels/__init__.py": '"""Map: maf"""\n',
    "kernels/maf/__init__.py": '"""Map: launch"""\n',
    "kernels/maf/launch.py": '"""Page."""\nfrom small import runtime\n__all__ = []\n',
    "runtime/__init__.py": '"""Map."""\n__all__ = []\n',
}


@pytest.fixture
def small(tmp_path):
    """A function that writes the package with some text replaced, {file: (old, new)}, and returns what all
    checks say of it."""
    def write(changes):
        texts = RIGHT | {path: RIGHT.get(path, old).replace(old, new) for path, (old, new) in changes.items()}
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


@pytest.mark.parametrize(("path", "old", "new", "broken"), [
    ("density/flows.py", "__all__ = ", "from small.density import maf\n__all__ = ", "cycles"),
    ("density/flows.py", "    return x\ndef shared", "    import small.density.maf\ndef shared", "cycles"),
    ("priors/normal.py", "__all__", "from small import density\ndensity.maf.Fit\n__all__", "cycles"),
    ("priors/normal.py", "__all__", "from small.density import flows\n__all__", "upward"),
    ("kernels/maf/launch.py", "runtime", "density", "upward"),
    ("density/maf.py", "flows.shared(n)", "flows.hidden(n)", "names"),
    ("density/maf.py", "import Normal", "import Normal, secret", "names"),
    ("density/maf.py", "priors.Normal", "priors.normal.secret", "names"),
    ("priors/__init__.py", ', "Normal"]', "]", "names"),
    ("density/flows.py", "__all__ += SHARED\n", "", "names"),
    ("density/flows.py", "1 + 1", "1 + 1" + " " * 110 + "+ 0", "lines"),
    ("density/flows.py", "check(x: int) -> int", "check(x) -> int", "annotations"),
    ("density/flows.py", "check(x: int) -> int", "check(x: int)", "annotations"),
    ("density/maf.py", "n: int", "n", "annotations"),
    ("density/maf.py", "self, x: int", "self, x", "annotations"),
    ("density/__init__.py", "    maf\n", "", "maps"),
    ("density/__init__.py", ', "maf"]', "]", "maps"),
    ("kernels/__init__.py", "maf", "", "maps")], ids=[
        "a circle", "a circle by a late import", "a circle through a map", "an import that points up",
        "a launcher that imports a page", "an attribute that is not listed", "an import that is not listed",
        "an attribute through a map", "a name that a map does not list", "a shared name that is not listed",
        "a long line", "a bare parameter", "a bare result", "a bare method", "a bare constructor",
        "a page that a map does not describe", "a page that a map does not list",
        "a kernel that no map describes"])
def test_a_wrong_package_is_caught(small, path, old, new, broken):
    assert old in RIGHT[path]
    assert broken in small({path: (old, new)})


def test_a_variable_hides_a_module(small):
    hiding = ("def check(x: int) -> int:",
              "from small.priors import normal\ndef check(normal: int) -> int:\n    normal.secret\n"
              "    return [normal.secret for normal in [0]]\ndef other(x: int) -> int:")
    assert small({"density/flows.py": hiding}) == {}
