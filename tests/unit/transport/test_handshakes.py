"""One sshd is asked for a few logins at a time, and none waits for another sshd's."""

import threading

from orchestrator.transport.handshakes import PER_SSHD, handshake


def test_an_sshd_has_only_so_many_logins_at_once_and_others_do_not_wait_for_it():
    inside, most, gate, full = 0, 0, threading.Event(), threading.Semaphore(0)
    lock = threading.Lock()

    def log_in():
        nonlocal inside, most
        with handshake("jump", 22):
            with lock:
                inside += 1
                most = max(most, inside)
            full.release()
            gate.wait()
            with lock:
                inside -= 1

    threads = [threading.Thread(target=log_in) for _ in range(8 * PER_SSHD)]
    for thread in threads:
        thread.start()
    for _ in range(PER_SSHD):
        full.acquire()
    with handshake("jump", 2222), handshake("other", 22):
        gate.set()
    for thread in threads:
        thread.join()
    assert (most, inside) == (PER_SSHD, 0)
