"""``lab trust``: who the hosts are."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, InventoryOption, Output, OutputOption
from orchestrator.cli.output import carry_out
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.model.trust import TrustOutcome
    from orchestrator.runtime.context import Context

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def trust(
    fingerprints: Annotated[
        list[str] | None,
        typer.Option(
            "--fingerprint",
            metavar="SHA256:…",
            help="Record the keys with this fingerprint, which you have compared, and ask nothing. May be repeated.",
        ),
    ] = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the host keys of all hosts and jump hosts, and record those that you confirm."""
    from orchestrator.cli.presentations import TRUST

    def work(context: Context) -> TrustOutcome:
        from orchestrator.config.inventory import load_inventory
        from orchestrator.providers import make_provider
        from orchestrator.providers.base import Reaching
        from orchestrator.runtime.paths import state_dir
        from orchestrator.usecases.trust import trust as carry

        wanted = load_inventory(inventory, os.environ)
        for warning in wanted.warnings:
            context.notice(str(warning), level="warning")
        provider = make_provider(wanted.value, state_dir(wanted.value.name))
        if not isinstance(provider, Reaching):
            raise UsageError(
                f"{inventory} names machines that lab makes; it knows their host keys",
                hint="`lab trust` is for hosts that exist (provider: ssh)",
            )
        named = _checked(fingerprints or [])
        return carry(context, wanted.value.name, provider, fingerprints=named, ask=output is Output.TEXT)

    carry_out(work, TRUST, output)


def _checked(fingerprints: Sequence[str]) -> Sequence[str]:
    """Raises ``UsageError`` for what is no fingerprint: it would match nothing, and nobody would know why."""
    for text in fingerprints:
        if not _FINGERPRINT.fullmatch(text):
            raise UsageError(
                f"{text!r} is no fingerprint",
                hint="`ssh-keygen -lf FILE` shows it: SHA256: and 43 more characters",
            )
    return fingerprints
