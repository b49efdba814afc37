"""The kinds of checks, for a terminal and as the page docs/checks.md."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.catalogue import KeyDoc, KindDoc
from orchestrator.report.tables import simple_table

_INTRODUCTION = """\
<!-- Made by `lab checks --markdown`: change the docstrings and descriptions in orchestrator/checks/ instead. -->
# Checks

`lab verify` carries out the checks of every lab that is up. They are data, in the lab file, under `x-lab: checks:`:

```yaml
x-lab:
  checks:
    - kind: names
      title: The service's name leads to its virtual address
      claims: [13]
      from: service:web
      name: web
      resolves_to: vip
      network: mesh
```

A lab without checks gets those that its ports, networks and replicas suggest. What fails is told with the node to look
at; what could not be asked is inconclusive, not a failure. What got no answer in time is asked once more, as nodes
may be busy. `lab checks` and `lab checks KIND` show this page in the terminal.

Who asks and who is asked is written `node:1` (the position in the inventory), `node:all`, `service:KEY` (all running
tasks) or `container:KEY` (on each of its nodes).
"""


def render_kinds(kinds: Sequence[KindDoc]) -> list[RenderableType]:
    """Every kind, in a line."""
    table = simple_table("KIND", "WHAT IT CHECKS")
    for kind in kinds:
        table.add_row(kind.name, kind.paragraphs[0] + _alters(kind))
    return [table, Text(), Text("lab checks KIND shows the keys of one kind", style="dim")]


def render_kind(kind: KindDoc) -> list[RenderableType]:
    """One kind with all its keys."""
    parts: list[RenderableType] = [Text(kind.name + _alters(kind), style="bold"), Text()]
    for paragraph in kind.paragraphs:
        parts += [Text(paragraph), Text()]
    table = simple_table("KEY", "TYPE", "DEFAULT", "MEANING")
    table.columns[1].no_wrap = table.columns[2].no_wrap = False
    for key in (*kind.keys, *kind.common):
        table.add_row(key.name, key.type, _default(key), key.description)
    return [*parts, table]


def checks_page(kinds: Sequence[KindDoc]) -> str:
    """The page of the manual, in Markdown."""
    rows = [f"| [`{kind.name}`](#{kind.name}) | {kind.paragraphs[0]}{_alters(kind)} |" for kind in kinds]
    parts = [
        _INTRODUCTION,
        "\n".join(["| kind | what it checks |", "|---|---|", *rows, ""]),
        "## Keys of every check\n",
        _table(kinds[0].common),
        *(_section(kind) for kind in kinds),
    ]
    return "\n".join(parts)


def _section(kind: KindDoc) -> str:
    text = "\n\n".join(kind.paragraphs)
    keys = _table(kind.keys) if kind.keys else "It has no keys of its own.\n"
    return f"## `{kind.name}`\n\n{text}\n\n{keys}"


def _table(keys: Sequence[KeyDoc]) -> str:
    rows = [f"| `{key.name}` | {key.type} | {_default(key)} | {key.description} |" for key in keys]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _default(key: KeyDoc) -> str:
    return "required" if key.required else key.default or "–"


def _alters(kind: KindDoc) -> str:
    return " (alters the lab for a while)" if kind.alters else ""
