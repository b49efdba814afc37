"""Nothing secret is in what is written: join tokens, keys and passphrases are put in and searched for everywhere."""

import io
import json
import logging
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_standins import MemoryProvider, inventory, lab
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.cli.output import bug, print_document, print_text
from orchestrator.cli.presentations import DOWN, STATUS, UP, VERIFY
from orchestrator.errors import LabError, NodeError
from orchestrator.model.inventory import ProviderKind, SshAddress
from orchestrator.model.lab import ConfigObject
from orchestrator.report.errors import render_error
from orchestrator.report.journal import Journal
from orchestrator.report.plain import PlainSink
from orchestrator.runtime.context import Context
from orchestrator.transport.fakeswarm import JOIN_TOKENS
from orchestrator.transport.ssh import connect
from orchestrator.usecases.down import down
from orchestrator.usecases.status import status
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

TOKENS = tuple(JOIN_TOKENS.values())
VALUE = "a-password-of-the-user"
"""A value in a lab file: the user's own data, which engines must get, and which is not ours to repeat."""


class Transcript:
    """Everything that a run tells: its events as lines, its outcomes as text, as JSON and as Python shows them."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._stream = io.StringIO()
        self.journal = Journal()
        sinks = (PlainSink(self._stream), self.journal)
        self.events: list[object] = []
        self.context = Context(lambda event: [self.events.append(event), *(sink.handle(event) for sink in sinks)])
        self._texts: list[str] = []

    def outcome(self, presentation, outcome) -> None:
        """Show an outcome in every way."""
        print_text(lambda width: presentation.text(outcome, self.journal, width))
        print_document(presentation.document(outcome, self.journal))
        self._texts += [self._capsys.readouterr().out, repr(outcome)]

    def error(self, error: LabError) -> None:
        """Show an error in every way."""
        self._texts += [render_error(error), str(error), repr(error), repr(vars(error))]

    @property
    def text(self) -> str:
        return "\n".join([self._stream.getvalue(), repr(self.events), *self._texts])


@pytest.fixture
def told(capsys):
    return Transcript(capsys)


@pytest.fixture
def provider():
    return MemoryProvider(inventory(ProviderKind.SSH))


def with_secrets():
    """A lab whose environment and config hold something that its user may not want to be read."""
    wanted = lab()
    config = ConfigObject("c", "mesh_c-1", f"password={VALUE}".encode())
    service = replace(wanted.services[0], environment={"PASSWORD": VALUE})
    return replace(wanted, services=(service,), configs=(config,))


def run_all(provider: MemoryProvider, told: Transcript) -> None:
    """up, verify, status and down, each shown."""
    told.outcome(UP, up(told.context, provider.inventory, [with_secrets()], provider))
    told.outcome(VERIFY, verify(told.context, provider.inventory, provider, requests=2))
    told.outcome(STATUS, status(told.context, provider.inventory, provider))


def written(folder: Path) -> str:
    """The content of every file."""
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def found(text: str, *secrets: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


def test_a_whole_run_tells_no_token_and_no_value(provider, told, state_root, caplog):
    with caplog.at_level(logging.DEBUG):
        run_all(provider, told)
        kept = written(state_root)
        assert VALUE in json.dumps([*provider.fake.services.values()]), "else this proves nothing"
        told.outcome(DOWN, down(told.context, provider.inventory, None, provider))
    assert provider.fake.swarm["JoinTokens"] == JOIN_TOKENS, "else this proves nothing"
    for text in (told.text, kept, caplog.text):
        assert found(text, *TOKENS, VALUE) == []


def test_no_command_line_holds_a_token(provider, told):
    """Command lines are in the process lists of the nodes."""
    run_all(provider, told)
    lines = [line for host in provider.hosts for line in host.ran]
    assert found("\n".join(lines), *TOKENS, VALUE) == []


@pytest.mark.parametrize("secret", [*TOKENS, "SWMKEY-1-" + "k" * 43])
def test_an_engine_that_repeats_a_secret_in_its_refusal(provider, told, secret, state_root):
    provider.fake.fail("n2", "POST /swarm/join", 400, f"invalid join token {secret}: rpc error", times=9)
    with pytest.raises(NodeError) as caught:
        up(told.context, provider.inventory, [lab()], provider)
    told.error(caught.value)
    assert "invalid join token SWM" in told.text
    assert found(told.text + written(state_root), secret) == []


def test_a_bug_whose_words_hold_a_token(state_root, capsys):
    told = bug(ZeroDivisionError(f"cannot join with {TOKENS[0]}"))
    assert "cannot join with SWMTKN-…" in told.message
    (crash,) = state_root.glob("crash-*.txt")
    assert "cannot join with SWMTKN-…" in crash.read_text()
    assert found(render_error(told) + crash.read_text(), TOKENS[0]) == []


KEY_TEXT = "b3BlbnNzaC1rZXktdjEAAAAAthis-is-what-the-key-file-holds"
ENCRYPTED = (
    f"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{KEY_TEXT}\n\n{KEY_TEXT}\n"
    "-----END EC PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    "content",
    [
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_TEXT}\n-----END OPENSSH PRIVATE KEY-----\n",
        f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_TEXT}\n-----END RSA PRIVATE KEY-----\n",
        f"{KEY_TEXT}\n",
        ENCRYPTED,
    ],
    ids=["openssh", "rsa", "not a key", "encrypted"],
)
def test_a_key_that_cannot_be_used_is_not_repeated(content, tmp_path, told):
    key = tmp_path / "key"
    key.write_text(content)
    with pytest.raises(NodeError) as caught:
        connect(SshAddress("192.0.2.1", key=key), name="n1", timeout=1.0)
    told.error(caught.value)
    assert str(key) in told.text
    assert found(told.text, KEY_TEXT) == []


def test_a_file_that_is_no_inventory_is_not_repeated(tmp_path):
    """Somebody gives the wrong file: what it holds is not put on the screen."""
    (tmp_path / "id").write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_TEXT}\n")
    for arguments in (["status", "-i", "id"], ["status", "-i", "id", "-o", "json"], ["labs", "./id"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert found(result.output, KEY_TEXT) == []


def test_what_is_remembered_is_for_the_user_alone(provider, told, state_root):
    before = os.umask(0)
    try:
        up(told.context, provider.inventory, [with_secrets()], provider)
        bug(ZeroDivisionError("oops"))
    finally:
        os.umask(before)
    paths = [state_root, *state_root.rglob("*")]
    modes = {str(path.relative_to(state_root)): stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert len(modes) >= 4
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
