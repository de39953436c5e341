"""The README: its examples run and print what it says, and its table has a row for every module."""
import contextlib
import io
import re
from pathlib import Path

import pytest

import accel
import reference
from experiments.harness import framework, readme
from tests.agreement.public import modules

TEXT = (readme.ROOT / "README.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```\n(?:```text\n(.*?)```)?", TEXT, re.DOTALL)


def test_there_are_examples():
    assert SNIPPETS and SNIPPETS[0][1]


@pytest.mark.parametrize(("code", "expected"), SNIPPETS)
def test_an_example_prints_what_the_readme_says(code, expected):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    for line, wanted in zip(printed.getvalue().splitlines(), expected.splitlines(), strict=True):
        if "gap" not in wanted:  # a gap at the level of rounding differs from machine to machine
            assert line == wanted
        assert all(float(gap) < 1e-12 for gap in re.findall(r"\d+e[-+]\d+", line)), line


def test_the_tables_are_what_the_command_writes():
    assert readme.filled(TEXT) == TEXT, "run: python -m experiments.harness.readme"


def test_the_tables_have_one_row_for_each_page_and_its_twin():
    tables = [TEXT.partition(readme.BEGIN.format(name=name))[2].partition(readme.END.format(name=name))[0]
              for name in ("algorithms", "pieces")]
    for package in (reference, accel):
        pages = {name.replace(".", "/") + ".py" for name in modules(package)}
        pages = {page for page in pages if (Path(package.__path__[0]) / page).is_file()}
        rows = re.findall(rf"\({package.__name__}/([^)]*)\)", "".join(tables))
        assert sorted(rows) == sorted(pages)


def test_the_results_on_record_are_listed_with_their_targets(toy, tmp_path):
    framework.execute(toy, framework.settings(where="cpu", out=tmp_path))
    (tmp_path / "audit.json").write_text('{"rows": []}')
    rows = readme.results(tmp_path).splitlines()[2:]
    assert len(rows) == 3 and rows[1] == "| toy | impossible | 0.5 | ≥ 0.9 | ✗ |"


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links and not [link for link in links if not (readme.ROOT / link).exists()]


def test_every_target_that_is_named_is_in_the_makefile():
    makefile = (readme.ROOT / "Makefile").read_text("utf-8")
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\bmake ([a-z-]+)", (readme.ROOT / page).read_text("utf-8")):
            assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), f"{page}: make {target}"


def test_the_worst_of_a_module_is_found(tmp_path):
    page = tmp_path / "reference" / "density" / "maf.py"
    page.parent.mkdir(parents=True)
    page.write_text(
        '"""A flow: words.\n\nSource        "On flows, 2017", Doe and Roe, 2016, eq. 3; others, 1999.\n"""\n')
    audit = tmp_path / "audit.json"
    audit.write_text(
        '{"rows": [{"function": "density.maf.loss", "backend": "numpy", "dtype": "float64", "value": 1e-16, '
        '"gradient": null},{"function": "density.maf.loss_and_grad", "backend": "numpy", "dtype": "float64", '
        '"value": 0.0, "gradient": 3e-15},{"function": "density.maf.loss", "backend": "numpy", "dtype": '
        '"float32", "value": 1e-3, "gradient": null},{"function": "density.mafia.loss", "backend": "numpy", '
        '"dtype": "float64", "value": 1.0, "gradient": 1.0}]}')
    speed = tmp_path / "speed.json"
    assert readme.table([page], tmp_path, audit, speed).splitlines()[2].endswith(
        "| value 1e-16, gradient 3e-15 | – |")
    speed.write_text('{"rows": [{"page": "density.mafia", "reference / accel float32": 2.0}, '
                     '{"page": "density.maf", "reference / accel float32": 9.13}]}')
    row = readme.table([page], tmp_path, audit, speed).splitlines()[2]
    assert row == (
        "| A flow | [maf.py](reference/density/maf.py) | [maf.py](accel/density/maf.py) | Doe and Roe, 2016 "
        "| value 1e-16, gradient 3e-15 | × 9.1 |")


@pytest.mark.parametrize(("text", "source"), [
    ('"On flows, 2017", Doe and Roe, 2016, eq. 3; others, 1999.', "Doe and Roe, 2016"),
    ('lecture S3, slides "Flows"; "On flows", Doe, 1999.', "Doe, 1999"),
    ('lecture S3, slides "Flows".', "lecture S3"),
    ('the manual of Stan, "Transforms".', "–"), ("the product rule, standard.", "–")])
def test_a_source_is_a_work_with_authors_and_year_or_a_lecture(tmp_path, text, source):
    page = tmp_path / "reference" / "density" / "maf.py"
    page.parent.mkdir(parents=True)
    page.write_text(f'"""A flow: words.\n\nSource        {text}\n"""\n', "utf-8")
    row = readme.table([page], tmp_path, tmp_path / "no", tmp_path / "no").splitlines()[2]
    assert row.split(" | ")[3] == source


def test_a_page_without_formulas_is_a_piece(tmp_path):
    folder = tmp_path / "reference" / "density"
    folder.mkdir(parents=True)
    (folder / "maf.py").write_text('"""A flow.\n\n    (1)  z = x\n"""\n', "utf-8")
    (folder / "maf_model.py").write_text('"""A fitted flow."""\n', "utf-8")
    assert [page.stem for page in readme.algorithms(tmp_path)] == ["maf"]
    assert [page.stem for page in readme.pieces(tmp_path)] == ["maf_model"]
