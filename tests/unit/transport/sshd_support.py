"""A real sshd, and a fake engine behind a real UNIX socket."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import psutil
import pytest

from orchestrator.model.inventory import DOCKER_SOCKET, SshAddress
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.ssh import SshHost

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def keygen(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    subprocess.run(
        [
            "ssh-keygen",
            "-q",
            "-t",
            kind,
            "-b",
            "2048" if kind == "rsa" else "256",
            "-N",
            passphrase,
            "-C",
            "test",
            "-f",
            str(path),
        ],
        check=True,
    )
    return path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass(frozen=True)
class Sshd:
    address: SshAddress
    folder: Path
    pid: int

    def with_known_hosts(self, text: str) -> SshAddress:
        path = self.folder / f"known_hosts_{abs(hash(text))}"
        path.write_text(text)
        return replace(self.address, known_hosts=path)

    @property
    def public_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])


def start_sshd(folder: Path, *options: str, **environment: str) -> tuple[subprocess.Popen[str], Sshd]:
    host_key, user_key, port = keygen(folder / "host_key"), keygen(folder / "user_key"), free_port()
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        f"PidFile {folder}/sshd.pid",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 100",
        # A home of its own: start-up files of whoever runs the tests must not play a part.
        "SetEnv " + " ".join(f"{name}={value}" for name, value in ({"HOME": str(folder)} | environment).items()),
        *options,
    ]
    config = folder / "sshd_config"
    config.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Server listening" in line:
            break
    else:
        pytest.fail("sshd did not start")
    process.reader = threading.Thread(target=process.stderr.read)
    process.reader.start()
    known_hosts = folder / "known_hosts"
    key = " ".join(Path(f"{host_key}.pub").read_text().split()[:2])
    known_hosts.write_text(f"[127.0.0.1]:{port} {key}\n")
    address = SshAddress("127.0.0.1", port, getpass.getuser(), user_key, known_hosts)
    return process, Sshd(address, folder, process.pid)


def as_user(host: SshHost, user: str, socket: str = DOCKER_SOCKET, secrets: Secrets | None = None) -> SshHost:
    """The same connection as if ``user`` had logged in, to a node whose engine listens elsewhere."""
    target = replace(host._route.target, user=user)
    route = replace(host._route, hops=(target,), docker_socket=socket)
    return SshHost(host._session, name="n1", route=route, secrets=secrets)


def stop_sshd(process: subprocess.Popen[str]) -> None:
    """End an sshd and its sessions, also those that a failed test left open."""
    for session in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            session.kill()
    process.terminate()
    process.wait()
    process.reader.join()
    process.stderr.close()


class EngineHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def answer(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        path = re.sub(r"^/v[\d.]+(?=/)", "", unquote(url.path))
        self.server.requests.append(f"{self.command} {url.path}")
        self.server.received += len(body)
        status, answer = self.server.swarm.handle("n1", self.command, path, dict(parse_qsl(url.query)), body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 (the names that http.server looks for)


class EngineServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)
