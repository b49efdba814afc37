"""What journalctl prints, as entries; and how a person says since when."""

import json
from datetime import UTC, datetime

import pytest

from orchestrator.model.journal import LogEntry
from orchestrator.observe.journal import TOO_LONG, journal_command, parse_entries, parse_entry, since_word

LINE = {"__REALTIME_TIMESTAMP": "1767225600123456", "__CURSOR": "s=1", "MESSAGE": "hello", "PRIORITY": "6"}


def entry(**changes) -> LogEntry | None:
    return parse_entry("n1", "docker", json.dumps({**LINE, **changes}))


def test_an_entry_has_its_time_to_the_microsecond():
    assert entry() == LogEntry(1767225600123456, "n1", "docker", "hello", 6, "s=1")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ([104, 195, 164, 27], "hä\x1b"),
        (None, TOO_LONG),
        (["one", "two"], "one\ntwo"),
        ([255], "�"),
    ],
)
def test_a_message_may_be_bytes_or_several_or_left_out(message, text):
    assert entry(MESSAGE=message).message == text


def test_an_entry_may_have_no_priority():
    assert entry(PRIORITY=None).priority == -1


@pytest.mark.parametrize("line", ["", "-- No entries --", "{", "[]", '{"MESSAGE": "x"}', "Failed to parse"])
def test_what_is_no_entry(line):
    assert parse_entry("n1", "docker", line) is None


def test_what_journalctl_says_besides_is_kept_apart():
    entries, said = parse_entries("n1", "docker", [json.dumps(LINE), "-- No entries --", "", "Hint: no rights"])
    assert len(entries) == 1
    assert said == ["Hint: no rights"]


def test_a_unit_cannot_become_an_option():
    assert "--unit=-x; reboot" in journal_command("-x; reboot")
    assert journal_command("docker", follow=True)[-1] == "--follow"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("10m", "-600.000000s"),
        ("1h30m", "-5400.000000s"),
        ("2026-01-01T00:00Z", "@1767225600.000000"),
        ("2026-01-01T01:00:00.5+01:00", "@1767225600.500000"),
    ],
)
def test_since_when(text, word):
    assert since_word(text) == word


def test_a_time_without_a_zone_is_one_of_this_machine():
    here = datetime(2026, 1, 1, 17, 0).astimezone().astimezone(UTC).timestamp()
    assert since_word("2026-01-01 17:00") == f"@{here:.6f}"


@pytest.mark.parametrize("text", ["yesterday", "10", "-5m", "2026-13-01", "1h; reboot"])
def test_anything_else_is_no_moment(text):
    with pytest.raises(ValueError, match="expected how long ago"):
        since_word(text)
