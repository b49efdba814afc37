"""The sink for terminals: finished phases stay as lines, what runs now is redrawn below them."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.model.events import (
    Event,
    LogLine,
    Notice,
    PhaseFinished,
    PhaseStarted,
    StepFinished,
    StepProgress,
    StepStarted,
)
from orchestrator.report.words import located, seconds


class LiveSink:
    """Draws on a terminal. Refreshed by :meth:`tick` alone, so that one thread writes to the terminal."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._phase: tuple[PhaseStarted, float] | None = None
        self._steps: dict[str, tuple[StepStarted, float]] = {}
        self._news: dict[str, StepProgress] = {}
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._draw,
        )
        self._live.start()

    def handle(self, event: Event) -> None:
        """Take one event; what is final is printed above the moving part."""
        match event:
            case PhaseStarted():
                self._phase = (event, self._clock())
                self._steps.clear()
            case PhaseFinished():
                self._finish_phase(event)
            case StepStarted():
                self._steps[event.step] = (event, self._clock())
            case StepProgress():
                self._news[event.step] = event
            case StepFinished():
                self._finish_step(event)
            case Notice():
                self._notice(event)
            case LogLine():
                pass  # told by a sink of its own

    def tick(self) -> None:
        """Redraw the moving part."""
        if self._live.is_started:
            self._live.refresh()

    def pause(self) -> None:
        """Remove the moving part, and show the cursor."""
        self._live.stop()

    def resume(self) -> None:
        """Draw the moving part again."""
        self._live.start()

    def close(self) -> None:
        """Remove the moving part and show the cursor again."""
        self._live.stop()

    def _finish_phase(self, event: PhaseFinished) -> None:
        title = self._phase[0].title if self._phase else event.phase
        self._phase = None
        mark, style = ("✓", "green") if event.ok else ("✗", "bold red")
        summary = f"  {event.summary}" if event.summary else ""
        self._say(Text.assemble((f"{mark} ", style), title, (f"{summary}  {seconds(event.seconds)}", "dim")))

    def _finish_step(self, event: StepFinished) -> None:
        started, _ = self._steps.pop(event.step, (StepStarted(event.step, event.step), 0.0))
        self._news.pop(event.step, None)
        if not event.ok:
            what = located(started.node, started.summary)
            self._say(Text.assemble(("  ✗ ", "bold red"), what, f": {event.error}"))

    def _notice(self, event: Notice) -> None:
        mark, style = ("! ", "yellow") if event.level == "warning" else ("· ", "dim")
        self._say(Text.assemble((mark, style), located(event.node, event.message)))

    def _say(self, line: Text) -> None:
        """Print a line that stays, above the moving part as it is now (rich would repeat the last one drawn)."""
        self.tick()
        self._console.print(line, soft_wrap=True)

    def _draw(self) -> RenderableType:
        if self._phase is None:
            return Text()
        now = self._clock()
        phase, started = self._phase
        self._spinner.update(text=Text.assemble(phase.title, (f"  {seconds(now - started)}", "dim")))
        # The terminal's last lines stay free for the phase itself and for the count of what is left out.
        room = max(1, self._console.height - 4)
        running = list(self._steps.items())
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=2)
        grid.add_column(no_wrap=True, style="cyan")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True, justify="right", style="dim")
        for step, (event, begun) in running[:room]:
            grid.add_row("", event.node, self._text(step, event), seconds(now - begun))
        hidden = len(running) - room
        more = [Text(f"   … and {hidden} more", style="dim")] if hidden > 0 else []
        return Group(self._spinner, grid, *more)

    def _text(self, step: str, event: StepStarted) -> Text:
        news = self._news.get(step)
        if news is None:
            return Text(event.summary)
        share = f" {news.fraction:.0%}" if news.fraction >= 0 else ""
        return Text.assemble(event.summary, (f"  {news.message}{share}", "dim"))
