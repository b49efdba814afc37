"""The pages for people, taken apart: their commands, links and headings."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("labs/*/*.md")),
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_RECIPE = re.compile(r'^\t(?:@echo "  |-.*\|\| )?\$\(BIN\)/(lab .*?)(?:  .*)?$', re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\[[A-Z-]|\.\.\.|…|\b[A-Z]{2,}\b|\w\|\w")
"""What a synopsis holds and a command line does not: ``[LAB]...``, ``FILE``, ``vm|ssh``."""


def name(page: Path) -> str:
    """A page's name for the ids of tests."""
    return str(page.relative_to(ROOT))


def without_blocks(text: str) -> str:
    return _FENCE.sub("", text)


def block_lines(text: str) -> list[str]:
    """Every line of the shell blocks of a page, without comments."""
    code = "\n".join(code for language, code in _FENCE.findall(text) if language == "sh").replace("\\\n", " ")
    return [line for line in map(_uncommented, code.splitlines()) if line]


def inline_lines(text: str) -> list[str]:
    """Every piece of code within a sentence that is no synopsis."""
    return [code for code in _INLINE.findall(without_blocks(text)) if not _PLACEHOLDER.search(_unquoted(code))]


def calls_of_lab(text: str) -> list[str]:
    """What stands after ``lab`` wherever a page calls it, up to the end of that command; each once.

    In a sentence, ``lab ssh`` is just the command's name: there its help is what must exist.
    """
    named = [f"{line} --help" if re.fullmatch(r"lab [a-z ]+", line) else line for line in inline_lines(text)]
    lines = [*block_lines(text), *named, *_RECIPE.findall(text)]
    found = (re.fullmatch(r"(?:\.venv/bin/)?(?:lab|python -m orchestrator) (.*)", line) for line in lines)
    return list(dict.fromkeys(_first_command(match[1]) for match in found if match))


def calls_of_make(text: str) -> list[str]:
    """Every target that a page names."""
    found = (re.fullmatch(r"make ([a-z]+)", line) for line in [*block_lines(text), *inline_lines(text)])
    return [match[1] for match in found if match]


def links(text: str) -> list[str]:
    """Links within the project: paths, relative to the page, with their anchors."""
    return [link for link in _LINK.findall(without_blocks(text)) if "://" not in link]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(without_blocks(text)))
    return {title.strip().replace(" ", "-") for title in titles}


def _uncommented(line: str) -> str:
    return re.sub(r"(^|\s+)#\s.*$", "", line).strip()


def _unquoted(code: str) -> str:
    """Without what stands after ``--``: that is another program's, with options in capitals of its own."""
    return code.partition(" -- ")[0]


def _first_command(line: str) -> str:
    """Up to what is the shell's: a pipe, a redirection, the next command."""
    words = shlex.split(line)
    end = next((place for place, word in enumerate(words) if word in {"|", ">", ">>", "&&", "||", ";"}), len(words))
    return shlex.join(words[:end])
