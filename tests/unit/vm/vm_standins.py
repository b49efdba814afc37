"""A QMP server of a few lines, and the parts of machines that tests need again and again."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.model.inventory import VmShape
from orchestrator.providers.vm.machine import Boot, MachineSpec
from orchestrator.providers.vm.sockets import short_path
from orchestrator.runtime.context import Context

GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}

HANG_UP = object()
"""As an answer: the server ends the connection instead of answering."""

STOP_AT_ONCE = "kill -STOP $$"
"""Script of a program that stays, with its arguments, until it is killed."""


def listening(path: str) -> str:
    """Script of a program that listens at a UNIX socket, with its arguments, until it is killed."""
    code = f"import signal, socket; s = socket.socket(socket.AF_UNIX); s.bind('{path}'); s.listen(); signal.pause()"
    return f'exec {sys.executable} -S -c "{code}" "$@"'


class Impatient(Context):
    """Somebody presses Ctrl-C as soon as there is something to wait for."""

    def wait(self, seconds):
        self.cancel()
        super().wait(seconds)


class QmpServer:
    """Answers commands on a UNIX socket; an exception raised by an answer is QMP's error."""

    def __init__(self, path: Path, answers: dict[str, Callable[[dict], Any]]) -> None:
        self.asked: list[tuple[str, dict]] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(BrokenPipeError):  # the client may have lost its patience
                    self._converse()

            def _converse(self) -> None:
                self._say(GREETING)
                for request in self._requests():
                    answer = outer._answer(request["execute"], request.get("arguments", {}), answers)
                    if answer is HANG_UP:
                        return
                    self._say(answer | {key: request[key] for key in request.keys() & {"id"}})

            def _requests(self) -> Iterator[dict]:
                """A client need not end its messages with a line."""
                text = ""
                while data := self.request.recv(65536):
                    text += data.decode()
                    while text:
                        try:
                            request, end = json.JSONDecoder().raw_decode(text)
                        except ValueError:
                            break
                        text = text[end:].lstrip()
                        yield request

            def _say(self, message: dict) -> None:
                self.wfile.write(json.dumps(message).encode() + b"\r\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        with short_path(path) as address:
            self._server = Server(address, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def _answer(self, name: str, arguments: dict, answers: dict[str, Callable[[dict], Any]]) -> Any:
        if name == "qmp_capabilities":
            return {"return": {}}
        self.asked.append((name, arguments))
        try:
            answer = answers[name](arguments)
        except Exception as error:
            return {"error": {"class": "GenericError", "desc": str(error)}}
        return answer if answer is HANG_UP else {"return": answer}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def spec(**changes) -> MachineSpec:
    """A machine as a resumed clone has it, but for ``changes``."""
    parts = {
        "label": "/state/lab/vm/nodes/n1/",
        "shape": VmShape(cpus=2, memory=1024),
        "accel": "tcg",
        "boot": Boot(Path("/cache/vmlinuz"), Path("/cache/initrd.img")),
    }
    return MachineSpec(**(parts | changes))
