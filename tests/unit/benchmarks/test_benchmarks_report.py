"""What people and programs are shown."""

import io
import json

import jsonschema
import pytest
from rich.console import Console

from benchmarks.figures import Benchmark, Result, Series
from benchmarks.report import Run, document, markdown, read, table

RATIO = Result(
    Benchmark("up", "up", "up", "`lab up`", baseline_key="shell", baseline="by hand", aim=1.0),
    Series((20.0, 22.0, 24.0)),
    Series((40.0, 44.0, 40.0)),
)
VALUE = Result(Benchmark("memory", "memory", "pss", "a lab [of 3]", "GB", aim=3.5), Series((4.25,)))
UNJUDGED = Result(Benchmark("rss", "memory", "rss", "the same", "GB"), Series((9.0,)))
NOTES = {"scale": "9 nodes; no memory for more"}
MACHINE = {"processor": "2 × Some CPU", "qemu": "QEMU 7.2"}

SERIES = {
    "type": "object",
    "required": ["unit", "median", "min", "max", "values"],
    "properties": {
        "what": {"type": "string"},
        "unit": {"enum": ["×", "s", "ms", "GB", "MB", "MB/s", "threads", "per second"]},
        "median": {"type": "number"},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "values": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    },
    "additionalProperties": False,
}
ENTRY = {
    "type": "object",
    "required": ["name", "group", "figure", "aim", "met", "subject", "baseline"],
    "properties": {
        "name": {"type": "string"},
        "group": {"type": "string"},
        "figure": SERIES,
        "aim": {"type": ["number", "null"]},
        "met": {"type": ["boolean", "null"]},
        "subject": SERIES,
        "baseline": {"anyOf": [SERIES, {"type": "null"}]},
    },
    "additionalProperties": False,
}
DOCUMENT = {
    "type": "object",
    "required": ["schema", "taken", "machine", "results", "notes", "failures"],
    "properties": {
        "schema": {"const": 3},
        "taken": {"type": "string"},
        "machine": {"type": "object", "additionalProperties": {"type": "string"}},
        "results": {"type": "array", "items": ENTRY},
        "notes": {"type": "object", "additionalProperties": {"type": "string"}},
        "failures": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}


def text(results, *, colour=False, width=200):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None)
    console.print(table(Run(results, MACHINE, NOTES)))
    return stream.getvalue()


def test_the_document_keeps_every_value():
    made = json.loads(json.dumps(document(Run([RATIO, VALUE, UNJUDGED], MACHINE, NOTES), "2026-01-02T03:04:05+00:00")))
    jsonschema.validate(made, DOCUMENT)
    up, memory, rss = made["results"]
    assert up["figure"] == {"unit": "×", "median": 0.5, "min": 0.5, "max": 0.6, "values": [0.5, 0.5, 0.6]}
    assert up["subject"] == {
        "what": "`lab up`", "unit": "s", "median": 22.0, "min": 20.0, "max": 24.0, "values": [20.0, 22.0, 24.0]
    }  # fmt: skip
    assert up["baseline"]["values"] == [40.0, 44.0, 40.0]
    assert (up["met"], memory["met"], rss["met"]) == (True, False, None)
    assert (memory["baseline"], rss["aim"]) == (None, None)


def test_the_table_tells_ratio_spread_both_sides_and_runs():
    (line,) = [line for line in text([RATIO]).splitlines() if "by hand" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == [
        "up",
        "0.50 × (0.50–0.60) ✓",
        "≤ 1 ×",
        "`lab up`: 22.00 s (20.00–24.00)",
        "by hand: 40.00 s (40.00–44.00)",
        "3",
    ]


def test_a_missed_aim_is_marked_in_words_and_colour():
    assert "4.25 GB (4.25–4.25) ✗" in text([VALUE])
    assert "\x1b[31m4.25 GB" in text([VALUE], colour=True)
    assert "\x1b[32m0.50 ×" in text([RATIO], colour=True)


def test_brackets_are_text():
    assert "a lab [of 3]" in text([VALUE])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_cuts_nothing_off(width):
    assert "…" not in text([RATIO, VALUE, UNJUDGED], width=width)


def test_markdown_is_a_whole_table():
    machine, blank, *rows = markdown(Run([RATIO, VALUE, UNJUDGED], MACHINE)).splitlines()
    assert (machine, blank) == ("processor: 2 × Some CPU; qemu: QEMU 7.2", "")
    assert len(rows) == 5
    assert {row.count(" | ") for row in rows} == {5}
    assert set(rows[1]) == {"|", "-", " "}
    assert rows[4] == "| rss | 9.00 GB (9.00–9.00) | – | the same: 9.00 GB (9.00–9.00) | – | 1 |"


def test_what_no_number_tells_is_told():
    assert "9 nodes; no memory for more" in text([VALUE])
    assert markdown(Run([VALUE], MACHINE, NOTES)).endswith("\n\nscale: 9 nodes; no memory for more.\n")


def test_what_failed_is_told_and_not_taken_for_measured():
    run = Run([VALUE], MACHINE, NOTES, ["peers: no Ansible"])
    assert markdown(run).endswith("\n\nFailed, and not in the table: peers: no Ansible\n")
    stream = io.StringIO()
    Console(file=stream, width=200).print(table(run))
    assert "peers: no Ansible" in stream.getvalue()


def test_a_document_is_read_as_it_was_written():
    run = Run([RATIO, VALUE, UNJUDGED], MACHINE, NOTES, ["peers: no Ansible"])
    again = read(json.loads(json.dumps(document(run, "2026-01-02T03:04:05+00:00"))))
    assert markdown(again) == markdown(run)
    assert [one.benchmark.group for one in again.results] == ["up", "memory", "memory"]
    with pytest.raises(ValueError, match="schema 1"):
        read({"schema": 1})
