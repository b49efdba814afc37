"""Commands as root where the login user is not: through sudo, without a password where it wants none.

Where it wants one, it goes to sudo's standard input and nowhere else: no command line on either side shows it. It is
sent only after sudo has asked (by a prompt that no other program prints), and what belongs to the command is sent only
after the command has begun: so a command never reads the password, and sudo never takes data for a password.
"""

from __future__ import annotations

import re
import secrets as randomness
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from orchestrator.errors import NodeError
from orchestrator.transport.base import ChannelFailed, CommandResult
from orchestrator.transport.wire import close_quietly

if TYPE_CHECKING:
    import paramiko

    from orchestrator.transport.secrets import Secrets

ASK_SECONDS = 30.0
"""How long sudo may take to ask, and to judge a password: PAM waits two seconds after a wrong one."""

_WANTS_PASSWORD = re.compile(r"^sudo: .*(password is required|authentication is required)", re.MULTILINE)
_ENGLISH = ("env", "LC_ALL=C")

Open = Callable[[Sequence[str], float], "paramiko.Channel"]
"""Start a command within so many seconds; raises ``ChannelFailed`` or paramiko's errors."""


def without_password(argv: Sequence[str]) -> tuple[str, ...]:
    """The command line that never asks."""
    return (*_ENGLISH, "sudo", "-n", "--", *argv)


def wants_password(said: str) -> bool:
    """Whether sudo refused only for want of a password."""
    return bool(_WANTS_PASSWORD.search(said))


def _last_words(said: str, *, sent: bool) -> str:
    """What sudo said before it ended; "" where that means that the password was wrong."""
    if sent and ("Sorry, try again" in said or "incorrect password" in said):
        return ""
    return said.strip() or "sudo ended without a word"


class Sudo:
    """sudo on one node for one user. Methods may be called from several threads."""

    def __init__(self, node: str, user: str, secrets: Secrets, open_command: Open) -> None:
        self._node = node
        self._user = user
        self._secrets = secrets
        self._open_command = open_command
        self._lock = threading.Lock()
        self._password: str | None = None

    @property
    def unlocked(self) -> bool:
        """Whether the password is known: then :meth:`start` is the way."""
        return self._password is not None

    def unlock(self) -> None:
        """Find out the password, asking for it where need be. Raises ``NodeError``."""
        with self._lock:
            if self._password is None:
                self._password = self._secrets.password(self._user, self._node, self._accepts)

    def start(self, argv: Sequence[str], timeout: float) -> paramiko.Channel:
        """Start a command as root with the password; its input and outputs are the channel's. Raises ``NodeError``."""
        password = self._password
        if password is None:
            raise NodeError("sudo has not been unlocked", node=self._node)
        channel, refused = self._begin(argv, password, timeout)
        if channel is None:
            raise self.denied(refused or "sudo does not take the password any more")
        return channel

    def denied(self, said: str) -> NodeError:
        """The error for a user who may not."""
        missing = "not found" in said or "No such file" in said
        hint = "log in as root, or let the user run sudo without a password"
        return NodeError(
            f"user {self._user} may not run commands as root: {said.strip()}",
            node=self._node,
            kind="auth",
            hint=f"sudo is not installed there: {hint.partition(',')[0]}" if missing else hint,
        )

    def checked(self, result: CommandResult) -> CommandResult:
        """The result of a command without a password, or an error where it was sudo itself that failed."""
        said = result.stderr
        if result.exit_code != 0 and (said.startswith("sudo: ") or "may not run sudo" in said):
            raise self.denied(said)
        if result.exit_code == 127 and "env: " in said and "sudo" in said:
            raise self.denied(said)
        return result

    def _accepts(self, password: str) -> bool:
        """Whether sudo takes the password; what else it may refuse for is raised."""
        channel, said = self._begin(("true",), password, ASK_SECONDS)
        if channel is not None:
            close_quietly(channel)
            return True
        if said:
            raise self.denied(said)
        return False

    def _begin(self, argv: Sequence[str], password: str, timeout: float) -> tuple[paramiko.Channel | None, str]:
        """Start a command; where sudo does not let us, ``None`` and what it said ("" for a wrong password)."""
        prompt, begun = (f"lab-{word}-{randomness.token_hex(8)}:" for word in ("password", "begun"))
        script = f'echo {begun} >&2; exec "$@"'
        words = (*_ENGLISH, "sudo", "-k", "-S", "-p", prompt, "--", "sh", "-c", script, "sh", *argv)
        channel = self._open(words, timeout)
        try:
            said = self._converse(channel, prompt, begun, password)
        except BaseException:
            close_quietly(channel)
            raise
        if said is None:
            return channel, ""
        close_quietly(channel)
        return None, said

    def _open(self, words: Sequence[str], timeout: float) -> paramiko.Channel:
        from paramiko import SSHException

        try:
            return self._open_command(words, timeout)
        except (ChannelFailed, SSHException, EOFError, OSError) as error:
            command = shlex.join(words[words.index("sh") + 4 :])
            raise NodeError(
                f"the command `sudo {command}` could not be started: {error}",
                node=self._node,
                hint="try it by hand in a shell on the node",
            ) from error

    def _converse(self, channel: paramiko.Channel, prompt: str, begun: str, password: str) -> str | None:
        """Answer sudo's question. ``None`` once the command has begun, "" for a wrong password, else sudo's words."""
        said = bytearray()
        sent = False
        end = time.monotonic() + ASK_SECONDS
        while True:
            byte = self._next(channel, end, said, prompt)
            said += byte
            if not byte:
                return _last_words(said.decode("utf-8", "replace").replace(prompt, ""), sent=sent)
            if said.endswith(f"{begun}\n".encode()):
                return None
            if said.endswith(prompt.encode()):
                if sent:
                    return ""
                channel.sendall(f"{password}\n".encode())
                sent = True

    def _next(self, channel: paramiko.Channel, end: float, said: bytearray, prompt: str) -> bytes:
        """The next byte of sudo's words; not more, for what follows them is the command's."""
        channel.settimeout(max(0.1, end - time.monotonic()))
        try:
            byte = channel.recv_stderr(1)
        except TimeoutError as error:
            words = said.decode("utf-8", "replace").replace(prompt, "").strip()
            raise NodeError(
                f"sudo neither began nor refused within {ASK_SECONDS:.0f} s{': ' + words if words else ''}",
                node=self._node,
                kind="timeout",
                hint=f"try it on the node as {self._user}: sudo -k true; lab can answer one question, for the password",
            ) from error
        channel.settimeout(None)
        return byte
