"""Tables for terminals of any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

GAP = 2
"""Blank columns between two columns of a table."""


def simple_table(*headers: str) -> Table:
    """A table without lines; the last column takes the long words."""
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim", pad_edge=False)
    for number, header in enumerate(headers):
        last = number == len(headers) - 1
        table.add_column(header, no_wrap=not last, overflow="fold" if last else "ellipsis")
    return table


def folded(
    corner: str, columns: Sequence[str], rows: Mapping[str, Mapping[str, Text]], width: int
) -> list[RenderableType]:
    """A matrix that may be wider than the terminal: it is cut into tables that fit, each with the row names."""
    first = max(cell_len(word) for word in (corner, *rows)) + GAP + 1
    widths = [
        max(cell_len(name), *(cell_len(row[name].plain) for row in rows.values() if name in row)) for name in columns
    ]
    parts: list[RenderableType] = []
    start = 0
    while start < len(columns):
        end, used = start, first
        while end < len(columns) and (end == start or used + widths[end] + GAP <= width):
            used += widths[end] + GAP
            end += 1
        parts.append(_slice(corner, columns[start:end], rows))
        start = end
    return parts


def _slice(corner: str, columns: Sequence[str], rows: Mapping[str, Mapping[str, Text]]) -> Table:
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim", pad_edge=False)
    table.add_column(f" {corner}", no_wrap=True)
    for name in columns:
        table.add_column(name, no_wrap=True)
    for name, row in rows.items():
        table.add_row(f" {name}", *(row.get(key, Text("·", style="dim")) for key in columns))
    return table
