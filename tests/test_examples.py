"""The example of every page: it runs, prints what the page says, and is the same in both packages but for
their names."""
import doctest
import importlib
from pathlib import Path

import pytest

from tests.support import structure
from tests.support.structure import public_pages

ROOT = Path(__file__).resolve().parents[1]
PAGES = {page.name: page for package in ("reference", "accel")
         for page in public_pages(ROOT, package).values()}
TWINS = sorted({name.partition(".")[2] for name in PAGES if name.startswith("reference.")})


def run(test):
    """What a run of one doctest has to say, "" if it passes."""
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_an_example_that_runs(name):
    assert structure.examples(PAGES[name]), f"{name}: its docstring has no example (>>>)"
    module = importlib.import_module(name)
    said = [run(test) for test in doctest.DocTestFinder().find(module, name) if test.examples]
    assert not any(said), "\n".join(said)


@pytest.mark.parametrize("name", TWINS)
def test_the_examples_of_twins_are_the_same(name):
    reference, accel = (structure.examples(PAGES[f"{package}.{name}"]) for package in ("reference", "accel"))
    assert [line.replace("reference", "accel") for line in reference] == accel


def test_an_example_that_prints_something_else_is_caught():
    wrong, right = (doctest.DocTestParser().get_doctest(f">>> 1 + 1\n{n}\n", {}, "page", None, 0)
                    for n in (3, 2))
    assert "Expected:\n    3" in run(wrong) and run(right) == ""
