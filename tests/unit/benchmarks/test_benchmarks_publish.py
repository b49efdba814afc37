"""Plots and the page that shows them, from the document of a run."""

import json
import xml.etree.ElementTree as ET

import pytest

from benchmarks.charts import bars, curves
from benchmarks.figures import BENCHMARKS, results
from benchmarks.plots import plots
from benchmarks.publish import BEGIN, END, PAGE, between, publish
from benchmarks.report import Run, document
from orchestrator.errors import UsageError

SCALE_POINTS = (3, 6)


def full_run():
    """A run in which everything was measured, each value another."""
    keys = {key for one in BENCHMARKS for key in (one.key, one.baseline_key) if key}
    left_out = {f"{size} nodes{rest}" for size in range(7, 61) for rest in (", each", " verify", " memory")}
    samples = {key: [1.0 + number] for number, key in enumerate(sorted(keys - left_out))}
    return Run(list(results(BENCHMARKS, samples)), {"processor": "2 × Some CPU"}, {"scale": "6 nodes"})


def words(svg):
    """All texts of an image, which has to be well-formed."""
    return " ".join(ET.fromstring(svg).itertext())


def test_a_full_run_has_every_plot_with_its_values():
    made = plots(full_run())
    assert set(made) == {"ratios.svg", "phases.svg", "peers.svg", "scale.svg", "throughput.svg", "latency.svg"}
    assert all(word in words(made["phases.svg"]) for word in ("lab up", "by hand", "joins", "answers"))
    assert all(word in words(made["peers.svg"]) for word in ("ansible", "docker"))
    assert "encrypted" in words(made["throughput.svg"])
    assert "seconds for each node" in words(made["scale.svg"])


def test_a_run_of_one_benchmark_has_only_its_plot():
    asked = [one for one in BENCHMARKS if one.group == "traffic"]
    samples = {one.key: [1.0] for one in asked}
    assert set(plots(Run(list(results(asked, samples)), {}))) == {"throughput.svg", "latency.svg"}
    assert plots(Run([], {})) == {}


def test_bars_are_as_long_as_their_values():
    image = bars("t", ["<first>", "second"], {"one": [1.5, 3.0], "other": [None, 0.75]})
    assert [word in words(image) for word in ("<first>", "1.5", "0.75", "other")] == [True] * 4
    lengths = [
        float(one.get("width")) for one in ET.fromstring(image).findall(".//{*}rect") if one.get("height") == "14.0"
    ]
    assert [length / lengths[1] for length in lengths] == pytest.approx([0.5, 1, 0.25], abs=0.01)


def test_a_curve_leaves_out_what_was_not_measured():
    image = ET.fromstring(curves("t", ["3", "6", "9"], {"up": [1.0, None, 4.0]}))
    assert len(image.findall(".//{*}circle")) == 2
    assert len(image.find(".//{*}polyline").get("points").replace(",", " ").split()) == 4


def test_where_there_is_nothing_there_is_no_image():
    assert bars("t", [], {"x": []}) == curves("t", ["3"], {"x": [None]}) == ""


def test_an_image_needs_nothing_from_elsewhere_and_is_the_same_again():
    first, again = plots(full_run()), plots(full_run())
    assert first == again
    assert not any("<script" in svg or "xlink:href" in svg for svg in first.values())


def test_the_page_shows_the_last_run(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Title\n{BEGIN}\nformer results\n{END}\nafter\n")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "gone.svg").touch()
    taken = document(full_run(), "2026-01-02T03:04:05+00:00")
    publish(taken, page)
    text = page.read_text()
    assert text.startswith(f"# Title\n{BEGIN}\n\nTaken 2026-01-02")
    assert text.endswith(f"{END}\nafter\n")
    assert "former results" not in text
    assert "![phases](benchmarks/phases.svg)" in text
    folder = {file.name for file in (tmp_path / "benchmarks").iterdir()}
    assert folder == {*plots(full_run()), "results.json"}
    assert json.loads((tmp_path / "benchmarks" / "results.json").read_text()) == taken
    publish(taken, page)
    assert page.read_text() == text


def test_what_cannot_be_published_changes_nothing(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("no marks")
    with pytest.raises(UsageError, match="no results of this version"):
        publish({"schema": 1}, page)
    assert list(tmp_path.iterdir()) == [page]
    with pytest.raises(UsageError, match="no marks"):
        between("no marks", "body")


def test_the_real_page_has_the_marks():
    assert "new body" in between(PAGE.read_text(), "new body")
