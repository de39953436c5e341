"""The page: it opens offline, says what was missed, and lets nothing through that is not text."""
import html.parser
import re

import pytest

from experiments.harness import framework, report


class Page(html.parser.HTMLParser):
    """What a browser would fetch, link to and show."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.links, self.anchors, self.tags, self.words, self.open = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.fetched += [attributes[key]
                         for key in ("src", "srcset", "data", "poster", "background") if key in attributes]
        self.fetched += [attributes["href"]] if tag == "link" else []
        self.links += [attributes["href"]] if tag == "a" else []
        self.anchors += [attributes["id"]] if "id" in attributes else []
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def written(toy, tmp_path):
    settings = framework.settings(where="cpu", out=tmp_path)
    framework.execute(toy, settings)
    (tmp_path / "audit.json").write_text("{}")                 # other records may lie beside
    path, misses = report.write(tmp_path)
    return path.read_text("utf-8"), misses


def test_the_page_needs_nothing_but_itself(written):
    page = Page(written[0])
    assert page.open == [] and "script" not in page.tags and "link" not in page.tags
    assert len(page.fetched) == 1 and all(source.startswith("data:image/png;base64,")
                                          for source in page.fetched)
    assert page.links and all(link.startswith("#") and link[1:] in page.anchors for link in page.links)
    assert not re.search(r"url\(|@import|https?:|//[a-z]",
                         re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", written[0]))


def test_the_page_says_what_misses_first_and_every_metric_with_its_target(written):
    page = Page(written[0])
    words = " ".join(" ".join(page.words).split())
    assert "1 of 3 targets met" in words
    places = [words.index(part) for part in ("Short of the target", "toy: impossible = 0.5 (target ≥ 0.9)",
                                             "The line goes up & right.")]
    assert places == sorted(places)
    assert "✗ 1 of 3 met" in words and words.count("✗ missed") == 2 and words.count("✓ met") == 1
    assert "a <note>" in words and "≤ 3" in words
    assert "python -m experiments run toy --backend accel --device cpu --dtype float32 --seed 0" in words
    assert written[1] == ["toy: impossible = 0.5 (target ≥ 0.9)", "toy: undefined = nan (target ≤ 1)"]


def test_the_page_is_made_for_narrow_and_for_dark_screens(written):
    assert 'name="viewport"' in written[0] and "prefers-color-scheme: dark" in written[0]
    assert "max-width: 40rem" in written[0]


def test_a_quick_run_carries_no_verdict(toy, tmp_path):
    framework.execute(toy, framework.settings(where="cpu", out=tmp_path, quick=True))
    path, misses = report.write(tmp_path)
    assert misses == [] and "missed</span>" not in path.read_text("utf-8")
    assert "--quick" in path.read_text("utf-8")


def test_a_failed_run_is_a_miss(toy, tmp_path):
    (tmp_path / "refuse").touch()
    with pytest.raises(ValueError):
        framework.execute(toy, framework.settings(where="cpu", out=tmp_path, data=tmp_path))
    path, misses = report.write(tmp_path)
    assert misses == ["toy failed: ValueError: x: expected <numbers>, got <words>"]
    assert "expected &lt;numbers&gt;" in path.read_text("utf-8")
    assert "<numbers>" not in path.read_text("utf-8")


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no records in"):
        report.write(tmp_path)
