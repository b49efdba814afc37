"""A steady stream of requests: one that is not answered does not hold up the next."""

import threading

from orchestrator.model.probe import Outcome
from orchestrator.transport.scripted import ScriptedHost
from orchestrator.transport.traffic import Traffic

BODY = b'HTTP/1.1 200 OK\r\n\r\n{"task": "t1", "slot": "1"}'


class Slow(ScriptedHost):
    """The first request hangs until the others have been made."""

    def __init__(self, name, others):
        super().__init__(name, tcp={("127.0.0.1", 80): BODY})
        self._others = others
        self.released = threading.Event()

    def open_tcp(self, address, port, *, timeout):
        stream = super().open_tcp(address, port, timeout=timeout)
        if len(self.dialled) == 1:
            assert self.released.wait(30)
        elif len(self.dialled) > self._others:
            self.released.set()
        return stream


def test_requests_overlap_and_each_is_recorded():
    host = Slow("n1", 3)
    with Traffic({"n1": host}, 80, 0.01) as traffic:
        assert host.released.wait(30)
    shots = traffic.shots(since=0.0)
    assert len(shots) >= 4
    assert {(shot.entry, shot.outcome, shot.task, shot.slot) for shot in shots} == {("n1", Outcome.ANSWERED, "t1", "1")}
    assert [shot.at for shot in shots] == sorted(shot.at for shot in shots)


def test_every_entry_is_asked_on_its_own_loopback_and_times_count_from_a_moment():
    asked = threading.Semaphore(0)
    hosts = {name: ScriptedHost(name, tcp={("127.0.0.1", 80): "refused"}) for name in ("n1", "n2")}
    clock = iter(range(1000)).__next__

    class Told(list):
        def append(self, item):
            super().append(item)
            asked.release()

    with Traffic(hosts, 80, 0.01, clock=lambda: float(clock())) as traffic:
        traffic._shots = Told()
        for _ in range(4):
            assert asked.acquire(timeout=30)
    shots = traffic.shots(since=1000.0)
    assert {shot.outcome for shot in shots} == {Outcome.REFUSED}
    assert all(shot.at < 0 for shot in shots)
