"""Passphrases and passwords: asked for once per run, kept in memory, and shown nowhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import NodeError

if TYPE_CHECKING:
    import paramiko

Ask = Callable[[str], "str | None"]
"""Ask the person for a secret; ``None`` where nobody is there to answer."""

TRIES = 3
"""How often a person may mistype."""


def nobody(_question: str) -> str | None:
    """There is no person to ask."""
    return None


class Secrets:
    """What one run was told. Methods may be called from several threads; a question is asked by one of them."""

    def __init__(self, ask: Ask = nobody) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._keys: dict[Path, paramiko.PKey] = {}
        self._passwords: dict[str, str] = {}

    def key(self, path: Path, node: str, unlock: Callable[[str], paramiko.PKey | None]) -> paramiko.PKey:
        """The private key in an encrypted file. ``unlock`` gives it for the right passphrase, else ``None``.

        Raises ``NodeError`` where nobody can be asked, or does not know it.
        """
        with self._lock:
            if path in self._keys:
                return self._keys[path]
            for _ in range(TRIES):
                answer = self._ask(f"Passphrase of the SSH key {path}: ")
                if answer is None:
                    raise _key_error(path, node, "it is encrypted with a passphrase, and nobody is there to ask for it")
                key = unlock(answer)
                if key is not None:
                    self._keys[path] = key
                    return key
            raise _key_error(path, node, f"none of {TRIES} passphrases opens it")

    def password(self, user: str, node: str, accepts: Callable[[str], bool]) -> str:
        """The password that sudo wants of ``user``: one for all nodes, as long as they take it.

        A password is tried on one node alone until it has proved right, lest a slip of the finger lock the account
        on all of them. A node that does not take it is asked about by itself. Raises ``NodeError``.
        """
        known = self._passwords.get(user)
        if known is not None and accepts(known):
            return known
        with self._lock:
            newer = self._passwords.get(user)
            if newer is not None and newer != known and accepts(newer):
                return newer
            for _ in range(TRIES):
                answer = self._ask(f"Password of {user} for sudo on {node}: ")
                if answer is None:
                    raise _no_password(user, node)
                if accepts(answer):
                    self._passwords.setdefault(user, answer)
                    return answer
        raise NodeError(
            f"sudo took none of {TRIES} passwords of {user}",
            node=node,
            kind="auth",
            hint=f"try it on the node as {user}: sudo -v",
        )


def _key_error(path: Path, node: str, why: str) -> NodeError:
    return NodeError(
        f"the SSH key {path} cannot be used: {why}",
        node=node,
        kind="auth",
        hint=f"load it into ssh-agent (ssh-add {path}), run lab on a terminal, or let SSH_ASKPASS name a program "
        "that tells the passphrase",
    )


def _no_password(user: str, node: str) -> NodeError:
    return NodeError(
        f"sudo wants the password of {user}, and nobody is there to ask for it",
        node=node,
        kind="auth",
        hint="run lab on a terminal, let SSH_ASKPASS name a program that tells it, log in as root, "
        "or let the user run sudo without a password",
    )
