"""Two kinds of charts as SVG: bars side by side, and curves. Nothing in them comes from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import cycle
from typing import Literal

import svg

Anchor = Literal["start", "middle", "end"]

Rows = Mapping[str, Sequence[float | None]]
"""Values by what they are of, one for each label; ``None`` where there is none."""

WIDTH = 860.0
_COLOURS = ("#3b75af", "#ef8636", "#519e3e", "#8d69b8")
_LEFT = 170.0
_RIGHT = 70.0
_TOP = 40.0
_BAR = 16.0
_GAP = 12.0
_PLOT = 260.0
_LINE = 20.0


def bars(title: str, labels: Sequence[str], rows: Rows) -> str:
    """Horizontal bars, those of one label together, each with its value; "" where there is nothing to show."""
    largest = _largest(rows)
    if not largest:
        return ""
    group = _BAR * len(rows) + _GAP
    elements: list[svg.Element] = []
    for place, label in enumerate(labels):
        top = _TOP + group * place
        elements.append(_text(label, _LEFT - 8, top + _BAR * len(rows) / 2 + 4, "end"))
        for number, (values, colour) in enumerate(zip(rows.values(), cycle(_COLOURS), strict=False)):
            value = values[place]
            if value is not None:
                elements += _bar(top + _BAR * number, value, largest, colour)
    return _image(title, _TOP + group * len(labels), elements, rows)


def _bar(y: float, value: float, largest: float, colour: str) -> Iterator[svg.Element]:
    length = round(value / largest * (WIDTH - _LEFT - _RIGHT), 1)
    yield svg.Rect(x=_LEFT, y=y, width=length, height=_BAR - 2, fill=colour)
    yield _text(f"{value:.3g}", _LEFT + length + 5, y + _BAR - 4)


def curves(title: str, labels: Sequence[str], rows: Rows) -> str:
    """A line for each row, from zero, with a point and its value for each label; "" where there is nothing to show."""
    largest = _largest(rows)
    if not largest:
        return ""
    bottom = _TOP + _PLOT
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels) - 1)
    elements: list[svg.Element] = [
        svg.Line(x1=_LEFT, y1=bottom, x2=WIDTH - _RIGHT, y2=bottom, stroke="#888"),
        *(_text(label, _LEFT + step * place, bottom + 16, "middle") for place, label in enumerate(labels)),
    ]
    for values, colour in zip(rows.values(), cycle(_COLOURS), strict=False):
        points = [
            (round(_LEFT + step * place, 1), round(bottom - value / largest * (_PLOT - _LINE), 1), value)
            for place, value in enumerate(values)
            if value is not None
        ]
        path = [svg.Point(x, y) for x, y, _ in points]
        elements.append(svg.Polyline(points=path, fill="none", stroke=colour, stroke_width=2))
        elements += [svg.Circle(cx=x, cy=y, r=3, fill=colour) for x, y, _ in points]
        elements += [_text(f"{value:.3g}", x, y - 7, "middle") for x, y, value in points]
    return _image(title, bottom + _LINE, elements, rows)


def _largest(rows: Rows) -> float:
    return max((value for values in rows.values() for value in values if value is not None), default=0.0)


def _image(title: str, height: float, elements: Sequence[svg.Element], rows: Rows) -> str:
    """The whole image: a white ground (pages may be dark), the title above, and what the colours mean below."""
    legend: list[svg.Element] = []
    for number, (name, colour) in enumerate(zip(rows, cycle(_COLOURS), strict=False)):
        y = height + _LINE * number + 8
        legend += [svg.Rect(x=_LEFT, y=y, width=12, height=12, fill=colour), _text(name, _LEFT + 18, y + 10)]
    total = height + _LINE * len(rows) + 16
    ground = svg.Rect(x=0, y=0, width=WIDTH, height=total, fill="white")
    heading = svg.Text(x=12, y=22, font_size=15, font_weight="bold", font_family="sans-serif", text=escape(title))
    image = svg.SVG(
        viewBox=svg.ViewBoxSpec(0, 0, WIDTH, total), width=WIDTH, elements=[ground, heading, *elements, *legend]
    )
    return f"{image}\n"


def _text(text: str, x: float, y: float, anchor: Anchor = "start") -> svg.Text:
    return svg.Text(
        x=round(x, 1), y=round(y, 1), font_size=12, font_family="sans-serif", text_anchor=anchor, text=escape(text)
    )
