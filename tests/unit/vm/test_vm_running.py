"""A machine that starts, listens and ends; programs stand in for QEMU, the sockets and processes are real."""

import threading

import pytest
from vm_standins import HANG_UP, STOP_AT_ONCE, Impatient, listening, spec

from orchestrator.errors import EnvironmentProblem, Interrupted
from orchestrator.providers.vm import processes, qmp, running
from orchestrator.providers.vm.machine import CONSOLE, SOCKET
from orchestrator.providers.vm.running import Running, parse_forwards

USERNET = (
    "Hub -1 (management):\r\n"
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
    "  TCP[HOST_FORWARD]  12       127.0.0.1 37273   192.168.91.15    22     0     0\r\n"
)
ESTABLISHED = "  TCP[ESTABLISHED]   14       127.0.0.1 37273   192.168.91.15    22     0     0\r\n"
WEB = "  TCP[HOST_FORWARD]  13       127.0.0.1 41001   192.168.91.15  8080     0     0\r\n"
UDP = "  UDP[HOST_FORWARD]  15       127.0.0.1 41002   192.168.91.15    53     0     0\r\n"
EVERYWHERE = "  TCP[HOST_FORWARD]  16               * 41003   192.168.91.15    80     0     0\r\n"


@pytest.fixture
def folder(tmp_path):
    """Deeper than a socket's address may be long."""
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 5)
    deep.mkdir(parents=True)
    assert len(str(deep)) > 108
    return deep


@pytest.fixture
def machine(folder):
    return Running("n1", folder)


def test_the_label_of_a_machine_keeps_it_apart_from_another(tmp_path, spawn):
    one, ten = (running.label_of(tmp_path / name) for name in ("n1", "n10"))
    spawn("-name", ten)
    assert processes.find(one) == []
    assert len(processes.find(ten)) == 1


def test_forwards_are_read_from_the_monitor_table():
    assert parse_forwards(USERNET) == {22: 37273}
    assert parse_forwards(USERNET + ESTABLISHED + WEB + UDP) == {22: 37273, 8080: 41001}
    assert parse_forwards(EVERYWHERE) == {}, "a port open to everybody is none that we made"
    assert parse_forwards("") == {}


def test_commands_are_asked_in_order_on_a_socket_in_a_deep_folder(machine, folder, qmp_server):
    server = qmp_server(folder / SOCKET, {"stop": lambda _: {}, "query-status": lambda _: {"status": "paused"}})
    assert machine.ask(("stop", {}), ("query-status", {"all": True})) == [{}, {"status": "paused"}]
    assert server.asked == [("stop", {}), ("query-status", {"all": True})]


def test_a_refused_command_says_which_and_why(machine, folder, qmp_server):
    def refuse(_arguments):
        raise ValueError("migration is not possible now")

    qmp_server(folder / SOCKET, {"stop": lambda _: {}, "migrate": refuse})
    with pytest.raises(EnvironmentProblem, match="carry out stop, migrate: migration is not possible now") as told:
        machine.ask(("stop", {}), ("migrate", {}))
    assert told.value.node == "n1"
    assert str(folder) in told.value.hint


def test_a_machine_that_ends_before_it_answers_is_told(machine, folder, qmp_server):
    qmp_server(folder / SOCKET, {"cont": lambda _: HANG_UP})
    with pytest.raises(EnvironmentProblem, match=r"carry out cont: .+"):
        machine.ask(("cont", {}))


def test_where_nobody_listens_is_told(machine, folder):
    with pytest.raises(EnvironmentProblem, match=r"carry out cont: .+"):
        machine.ask(("cont", {}))


def test_a_socket_without_its_machine_is_told(machine, folder, qmp_server):
    qmp_server(folder / SOCKET, {}).close()
    with pytest.raises(EnvironmentProblem, match=r"carry out cont: .*refused"):
        machine.ask(("cont", {}))


def test_a_folder_that_is_gone_is_told(tmp_path):
    with pytest.raises(EnvironmentProblem, match="No such file"):
        Running("n1", tmp_path / "gone").ask(("cont", {}))


def test_a_machine_that_does_not_answer_is_not_waited_for_for_ever(machine, folder, qmp_server, monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(qmp, "_PATIENCE", 0.5)
    qmp_server(folder / SOCKET, {"cont": lambda _: never.wait(20) and {}})
    try:
        with pytest.raises(EnvironmentProblem, match="carry out cont: TimeoutError"):
            machine.ask(("cont", {}))
    finally:
        never.set()


@pytest.fixture
def usernet(folder, qmp_server):
    """A machine whose monitor adds forwards, unless the port is 1."""
    table = [USERNET]

    def monitor(arguments):
        line = arguments["command-line"]
        if line == "info usernet":
            return "".join(table)
        assert line.startswith("hostfwd_add management tcp:127.0.0.1:0-192.168.91.15:")
        if line.endswith(":1"):
            return "could not set up host forwarding rule\r\n"
        table.append(WEB)
        return ""

    return qmp_server(folder / SOCKET, {"human-monitor-command": monitor})


def test_a_port_is_forwarded_once(machine, usernet):
    assert machine.ssh_port() == 37273
    assert [machine.forward(8080), machine.forward(8080)] == [41001, 41001]
    added = [arguments for _, arguments in usernet.asked if "hostfwd_add" in arguments["command-line"]]
    assert len(added) == 1


def test_a_port_that_cannot_be_forwarded_is_told(machine, usernet):
    with pytest.raises(EnvironmentProblem, match="forward a port to 1: could not set up"):
        machine.forward(1)


def test_a_machine_that_dies_at_once_shows_what_it_said(context, tmp_path, program):
    program("qemu-system-x86_64", "echo 'qemu: no such device' >&2; exit 1")
    with pytest.raises(EnvironmentProblem, match="did not start") as told:
        running.start(context, "n1", tmp_path, spec(label=f"{tmp_path}/"))
    assert told.value.details == ("qemu: no such device",)
    assert told.value.node == "n1"


def test_an_old_socket_is_not_taken_for_the_new_machine(context, tmp_path, program):
    (tmp_path / SOCKET).touch()
    program("qemu-system-x86_64", "exit 1")
    with pytest.raises(EnvironmentProblem, match="did not start"):
        running.start(context, "n1", tmp_path, spec(label=f"{tmp_path}/"))


def test_a_machine_has_started_when_it_listens_and_not_before(tmp_path, program):
    """The file of the socket is there first."""
    program("qemu-system-x86_64", f": > {SOCKET}; {STOP_AT_ONCE}")
    label = running.label_of(tmp_path)
    try:
        with pytest.raises(Interrupted):
            running.start(Impatient(lambda _: None), "n1", tmp_path, spec(label=label))
    finally:
        processes.end(processes.find(label))


def test_a_start_that_is_cancelled_leaves_a_machine_that_can_be_found(tmp_path, program):
    program("qemu-system-x86_64", STOP_AT_ONCE)
    label = running.label_of(tmp_path)
    with pytest.raises(Interrupted):
        running.start(Impatient(lambda _: None), "n1", tmp_path, spec(label=label))
    assert [process.label for process in processes.find(label)] == [label]


def test_a_temporary_machine_is_gone_however_its_start_ends(tmp_path, program):
    program("qemu-system-x86_64", STOP_AT_ONCE)
    label = running.label_of(tmp_path)
    with pytest.raises(Interrupted), running.temporary(Impatient(lambda _: None), tmp_path, spec(label=label)):
        pytest.fail("the machine did not start")
    assert processes.find(label) == []


def test_a_temporary_machine_is_gone_when_its_body_fails(context, tmp_path, program):
    program("qemu-system-x86_64", listening(SOCKET))
    label, seen = running.label_of(tmp_path), []

    def fail():
        with running.temporary(context, tmp_path, spec(label=label)):
            seen.extend(processes.find(label))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(seen) == 1
    assert processes.find(label) == []


def test_what_was_said_before_the_boot_does_not_count(context, tmp_path):
    (tmp_path / CONSOLE).write_text("ready\n")
    machine = Running("n1", tmp_path)
    machine.await_console(context, "ready", 1.0)
    with pytest.raises(EnvironmentProblem, match="did not say 'ready'") as told:
        machine.await_console(context, "ready", 1.0, offset=len("ready\n"))
    assert told.value.details == ("ready",)


def test_saved_state_is_loaded_before_the_machine_runs(context, machine, folder, qmp_server, tmp_path):
    statuses = iter(["inmigrate", "inmigrate", "paused"])
    server = qmp_server(
        folder / SOCKET,
        {
            "migrate-set-capabilities": lambda _: {},
            "migrate-incoming": lambda _: {},
            "query-status": lambda _: {"status": next(statuses)},
            "cont": lambda _: {},
        },
    )
    machine.resume(context, tmp_path / "saved state")
    names = [name for name, _ in server.asked]
    assert names == ["migrate-set-capabilities", "migrate-incoming", *["query-status"] * 3, "cont"]
    assert server.asked[1][1] == {"uri": f"exec:cat '{tmp_path}/saved state'"}
