"""Variables in values: ``$VAR``, ``${VAR}``, ``${VAR:-default}``, ``${VAR:?message}``; ``$$`` is a dollar sign.

The syntax is that of ``docker stack deploy`` (package ``template`` of the Docker CLI), with one difference: a
variable that is not set and has no default is an error here, not an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PATTERN = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<bare>{_NAME})|\{{(?P<name>{_NAME})(?:(?P<operator>:?[-?])(?P<word>[^{{}}]*))?\}}|(?P<bad>))"
)


class InterpolationError(ValueError):
    """A text whose variables cannot be substituted; the message says why."""


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """The text with its variables substituted. Raises ``InterpolationError``.

    What is substituted is not looked at again: a value from the environment that holds ``${…}`` stays as it is.
    """
    return _PATTERN.sub(lambda match: _replacement(match, text, env), text)


def _replacement(match: re.Match[str], text: str, env: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    if match["bad"] is not None:
        raise InterpolationError(_bad_syntax(text[match.start() :]))
    name = match["bare"] or match["name"]
    operator, word = match["operator"] or "", match["word"] or ""
    value = env.get(name)
    if value is not None and not (operator.startswith(":") and value == ""):
        return value
    if operator.endswith("-"):
        return word
    raise InterpolationError(_not_set(name, word, env) + ("; for a dollar sign write $$" if match["bare"] else ""))


def _not_set(name: str, word: str, env: Mapping[str, str]) -> str:
    reason = f": {word}" if word else f"; set it, or give a default: ${{{name}:-default}}"
    state = "is empty" if name in env else "is not set"
    return f"the environment variable {name} {state}{reason}"


def _bad_syntax(rest: str) -> str:
    shown = rest.split("\n", 1)[0][:30]
    if rest.startswith("${") and "}" not in rest:
        return f"{shown!r} has no closing '}}'; expected ${{NAME}} or ${{NAME:-default}}"
    if rest.startswith("${") and "${" in rest[2 : rest.index("}")]:
        return f"{shown!r}: a default cannot hold another variable; expected ${{NAME:-default}}"
    return f"{shown!r} is not a variable; expected ${{NAME}} or ${{NAME:-default}}, or $$ for a dollar sign"
