"""What is written down of a machine once it has an identity: its last file, so that a node without it is made anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.runtime.documents import damaged, read_document, write_document

FILE = "identity.json"
SCHEMA = 1
HINT = "make the machines anew: lab down, then lab up"


@dataclass(frozen=True)
class NodeRecord:
    """A machine's identity, and the golden node on which its disk stands (``base`` is that one's folder)."""

    machine_id: str
    address: str
    mac: str
    base: Path
    golden: str


def is_recorded(folder: Path) -> bool:
    """Whether the machine in ``folder`` got as far as having an identity."""
    return (folder / FILE).exists()


def write_record(folder: Path, record: NodeRecord) -> None:
    """Write a machine's record; raises :class:`EnvironmentProblem` where the folder cannot be written."""
    write_document(folder / FILE, SCHEMA, asdict(record) | {"base": str(record.base)})


def read_record(folder: Path) -> NodeRecord:
    """The record of the machine in ``folder``.

    Raises :class:`UnusableDocument` where there is none, or where it is damaged or a newer version's.
    """
    path = folder / FILE
    known = read_document(path, SCHEMA, hint=HINT, unnamed=1)
    if known is None:
        raise damaged(path, "it is gone", HINT)
    names = ("machine_id", "address", "mac", "base", "golden")
    missing = [name for name in names if not isinstance(known.get(name), str)]
    if missing:
        raise damaged(path, f"it does not tell {', '.join(missing)}", HINT)
    machine_id, address, mac, base, golden = (known[name] for name in names)
    return NodeRecord(machine_id, address, mac, Path(base), golden)
