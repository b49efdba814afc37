"""A YAML file → plain data, the line of every value, and what is wrong with the file as YAML.

Problems that leave the rest readable (a key given twice, a variable that is not set) are reported and the
value is marked as broken, so that everything else in the file can still be checked in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from orchestrator.config import yaml_nodes
from orchestrator.config.hints import unusable
from orchestrator.config.interpolate import interpolate
from orchestrator.config.problems import Loc, Report
from orchestrator.errors import ConfigError, ConfigProblem

MAX_BYTES = 1024 * 1024
MAX_VALUES = yaml_nodes.MAX_NODES
_SHORT_TAGS = {getattr(yaml_nodes, name) for name in ("NULL", "BOOL", "INT", "FLOAT", "STR", "MAP", "SEQ")}


@dataclass(frozen=True)
class Source:
    """What a file holds.

    ``lines`` has the line of every value; ``broken`` are places whose value is unusable and already reported.
    ``substituted`` has the text as it stands in the file where the value came from variables. Such a value is
    text in ``data``; ``typed`` has the number or truth value that it would be if it stood in the file without
    quotes. Which of the two is meant, the schema knows: ``1.10`` is a version here and a number there.
    """

    file: Path
    data: object
    report: Report
    lines: Mapping[Loc, int]
    broken: frozenset[Loc] = frozenset()
    substituted: Mapping[Loc, str] = field(default_factory=dict)
    typed: Mapping[Loc, int | float | bool] = field(default_factory=dict)


def read_source(path: Path, env: Mapping[str, str]) -> Source:
    """Read a YAML file and substitute its variables from ``env``.

    Raises ``ConfigError`` where the file cannot be read or is not YAML; lesser problems are in the report.
    """
    text = _read_text(path)
    try:
        root = yaml_nodes.compose(text)
    except yaml.YAMLError as error:
        raise _fatal(path, *_syntax_problem(error, text)) from None
    if root is None or root.tag == yaml_nodes.NULL:
        raise _fatal(path, 1, "the file is empty")
    converter = _Converter(path, env)
    data = converter.convert(root, ())
    return Source(
        path,
        data,
        converter.report,
        converter.lines,
        frozenset(converter.broken),
        converter.substituted,
        converter.typed,
    )


def _fatal(path: Path, line: int, message: str) -> ConfigError:
    return ConfigError([ConfigProblem(path, line, "", message)])


def _read_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise _fatal(path, 1, f"this is {kind}; expected a YAML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _fatal(path, 1, "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _fatal(path, 1, f"the file cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _fatal(path, 1, f"the file has more than {MAX_BYTES} bytes, which no inventory and no lab needs")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _fatal(path, line, f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8") from None


def _syntax_problem(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line and message of what PyYAML says."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"not YAML: the character {chr(int(error.character))!r} is not allowed"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, f"not YAML: {error}"
    if "found another document" in str(error.problem):
        return error.problem_mark.line + 1, "a second YAML document begins here; expected one in the file"
    message = f"not YAML: {error.problem}"
    if error.context and error.context_mark and error.context_mark.line != error.problem_mark.line:
        message += f" ({error.context} that begins in line {error.context_mark.line + 1})"
    elif error.context:
        message += f" ({error.context})"
    line_text = text.split("\n")[error.problem_mark.line]
    return error.problem_mark.line + 1, message + _advice(error.problem or "", error.context or "", line_text)


def _advice(problem: str, context: str, line: str) -> str:
    if "'\\t'" in problem:
        return "; indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return "; check the indentation, and put a text that holds ': ' in quotes"
    if "flow" in context and "${" in line:
        return "; ${…} cannot stand inside { } or [ ]: give each entry a line of its own"
    return ""


class _Converter:
    """Nodes → data. Aliases are followed, but never around in a circle and never to more than a bounded size."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.lines: dict[Loc, int] = {}
        self.report = Report(path, self.lines)
        self.broken: set[Loc] = set()
        self.substituted: dict[Loc, str] = {}
        self.typed: dict[Loc, int | float | bool] = {}
        self._path = path
        self._env = env
        self._count = 0
        self._open: set[int] = set()

    def convert(self, node: yaml.Node, loc: Loc, line: int = 0) -> object:
        """The value of a node; ``line`` is where its key stands."""
        self._spend(node)
        self.lines[loc] = line or _line(node)
        if node.tag not in _SHORT_TAGS | {yaml_nodes.MERGE}:
            self._break(loc, f"the YAML tag {_tag(node)} is not allowed here; write the plain value", node)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        if id(node) in self._open:
            self._break(loc, "the alias leads back to itself", node)
            return None
        with self._inside(node):
            if isinstance(node, yaml.SequenceNode):
                return [self.convert(item, (*loc, index)) for index, item in enumerate(node.value)]
            pairs = self._pairs(node, loc)
            return {key: self.convert(value, (*loc, key), at) for key, (at, value) in pairs.items()}

    def _pairs(self, node: yaml.Node, loc: Loc) -> dict[str, tuple[int, yaml.Node]]:
        """Key → (line, value) of a mapping; keys that it has itself win over those merged in with ``<<``."""
        own: dict[str, tuple[int, yaml.Node]] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == yaml_nodes.MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.tag != yaml_nodes.STR:
                name = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                self.report.error(loc, f"{name} cannot be a key; a key is text (put it in quotes)", line=_line(key))
            elif not key.value.isprintable():
                self.report.error(loc, f"the key {key.value!r} holds characters that cannot be seen", line=_line(key))
            elif key.value in own:
                first = own[key.value][0]
                message = f"the key is given twice, first in line {first}; expected once"
                self.report.error((*loc, key.value), message, line=_line(key))
            else:
                own[key.value] = (_line(key), value)
        for source in merged:
            own = self._merged(source, loc) | own
        return own

    def _merged(self, node: yaml.Node, loc: Loc) -> dict[str, tuple[int, yaml.Node]]:
        self._spend(node)
        if not isinstance(node, yaml.MappingNode):
            self.report.error(loc, "'<<' merges mappings only; expected an alias of a mapping", line=_line(node))
            return {}
        if id(node) in self._open:
            self.report.error(loc, "the alias leads back to itself", line=_line(node))
            return {}
        with self._inside(node):
            return self._pairs(node, loc)

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> object:
        text, tag = str(node.value), node.tag
        try:
            value = self._substituted(node, loc) if "$" in text else yaml_nodes.typed(tag, text)
            return _usable(value) if isinstance(value, str) else value
        except ValueError as error:
            self._break(loc, str(error))
        return None

    def _substituted(self, node: yaml.ScalarNode, loc: Loc) -> object:
        text = interpolate(node.value, self._env)
        self.substituted[loc] = node.value
        if node.tag != yaml_nodes.STR:
            return yaml_nodes.typed(node.tag, text)
        if node.style is None:
            value = yaml_nodes.typed(yaml_nodes.plain_tag(text), text)
            if isinstance(value, bool | int | float):
                self.typed[loc] = value
        return text

    def _break(self, loc: Loc, message: str, node: yaml.Node | None = None) -> None:
        self.broken.add(loc)
        self.report.error(loc, message, line=_line(node) if node else 0)

    def _spend(self, node: yaml.Node) -> None:
        """Aliases of aliases can stand for a billion values in a few lines: stop long before."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise _fatal(self._path, _line(node), f"the file (its aliases followed) has more than {MAX_VALUES} values")

    @contextmanager
    def _inside(self, node: yaml.Node) -> Iterator[None]:
        self._open.add(id(node))
        try:
            yield
        finally:
            self._open.discard(id(node))


def _usable(text: str) -> str:
    if problem := unusable(text):
        raise ValueError(f"the text {problem}; expected a text without it")
    return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _tag(node: yaml.Node) -> str:
    prefix = "tag:yaml.org,2002:"
    return "!!" + node.tag.removeprefix(prefix) if node.tag.startswith(prefix) else str(node.tag)
