"""The switch for QEMUs without VDE: where frames go, over real sockets."""

from __future__ import annotations

import socket
import sys

import pytest

from orchestrator.providers.vm import lan_switch, processes
from orchestrator.providers.vm.lan_switch import LARGEST, AddressTable
from orchestrator.providers.vm.sockets import listens, short_path

A, B, C = (bytes([0x52, 0x54, 0, 0, 0, last]) for last in (1, 2, 3))
ALL = b"\xff" * 6
GROUP = bytes([1, 0, 0x5E, 0, 0, 1])


def frame(receiver: bytes, sender: bytes, text: bytes = b"hello") -> bytes:
    return receiver + sender + b"\x08\x00" + text


class TestAddressTable:
    PORTS = frozenset({1, 2, 3})

    def test_a_frame_to_nobody_known_goes_to_all_others(self):
        table = AddressTable()
        assert set(table.targets(frame(B, A), 1, self.PORTS)) == {2, 3}

    @pytest.mark.parametrize("receiver", [ALL, GROUP])
    def test_a_frame_to_many_goes_to_all_others(self, receiver):
        table = AddressTable()
        table.targets(frame(A, receiver), 2, self.PORTS)  # a sender that is a group is no place to send to
        assert set(table.targets(frame(receiver, A), 1, self.PORTS)) == {2, 3}

    def test_a_frame_goes_where_its_receiver_was_last_heard(self):
        table = AddressTable()
        table.targets(frame(ALL, B), 2, self.PORTS)
        assert set(table.targets(frame(B, A), 1, self.PORTS)) == {2}
        table.targets(frame(ALL, B), 3, self.PORTS)
        assert set(table.targets(frame(B, A), 1, self.PORTS)) == {3}

    def test_nothing_goes_back_to_where_it_came_from(self):
        table = AddressTable()
        table.targets(frame(ALL, B), 1, self.PORTS)
        assert set(table.targets(frame(B, A), 1, self.PORTS)) == set()

    def test_behind_a_port_that_is_gone_is_nobody(self):
        table = AddressTable()
        table.targets(frame(ALL, B), 2, self.PORTS)
        table.forget(2)
        assert set(table.targets(frame(B, A), 1, {1, 3})) == {3}

    def test_what_is_too_short_for_a_frame_is_dropped(self):
        assert list(AddressTable().targets(b"short", 1, self.PORTS)) == []


class Client:
    """A machine's end of the cable."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        with short_path(path) as address:
            self._socket.connect(address)

    def send(self, text):
        self._socket.sendall(len(text).to_bytes(4) + text)

    def take(self):
        """The next frame; b"" where the cable was pulled out at the other end."""
        length = self._read(4)
        return self._read(int.from_bytes(length)) if length else b""

    def _read(self, size):
        data = b""
        while len(data) < size and (part := self._socket.recv(size - len(data))):
            data += part
        return data

    def send_raw(self, data):
        self._socket.sendall(data)

    def close(self):
        self._socket.close()


@pytest.fixture
def plug(context, tmp_path):
    """The switch as a process of its own; what it gives is a way to plug in a cable."""
    folder = tmp_path / "switch"
    processes.start([sys.executable, "-m", lan_switch.__name__, "-sock", str(folder)], tmp_path, "log", "the switch")
    while not listens(folder / lan_switch.SOCKET):
        assert processes.find(str(folder)), (tmp_path / "log").read_text()
        context.wait(0.01)
    clients = []

    def one():
        clients.append(Client(folder / lan_switch.SOCKET))
        return clients[-1]

    yield one
    for client in clients:
        client.close()
    processes.end(processes.find(str(folder)))


def test_machines_hear_each_other(plug):
    one, two, three = plug(), plug(), plug()
    three.send(frame(ALL, C))  # who is heard was plugged in last, so the others are there
    assert [one.take(), two.take()] == [frame(ALL, C)] * 2
    two.send(frame(ALL, B))
    assert [one.take(), three.take()] == [frame(ALL, B)] * 2
    one.send(frame(B, A, b"for two"))
    one.send(frame(ALL, A, b"for all"))
    assert [two.take(), two.take()] == [frame(B, A, b"for two"), frame(ALL, A, b"for all")]
    assert three.take() == frame(ALL, A, b"for all"), "what goes to two alone does not come to three"
    largest = frame(A, B, b"x" * (LARGEST - 14))
    two.send(largest)
    assert one.take() == largest


def test_who_sends_what_is_no_frame_is_cut_off_and_nobody_else(plug):
    one, bad, two = plug(), plug(), plug()
    bad.send_raw((LARGEST + 1).to_bytes(4))
    assert bad.take() == b""
    two.send(frame(ALL, B))
    assert one.take() == frame(ALL, B)


def test_the_socket_is_for_its_user_alone(plug, tmp_path):
    plug()
    assert (tmp_path / "switch").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "switch" / lan_switch.SOCKET).stat().st_mode & 0o077 == 0
