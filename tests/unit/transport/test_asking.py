"""Questions asked from nodes and from namespaces, against hosts by table."""

import json
import shlex
import struct
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from orchestrator.errors import Interrupted
from orchestrator.model.observed import Problem
from orchestrator.model.probe import Answer, Outcome
from orchestrator.model.question import (
    Datagram,
    Echo,
    Echoed,
    EngineCall,
    Fetch,
    Fetched,
    Inspect,
    Inspected,
    Lookup,
    Read,
    Refused,
    Resolved,
    Told,
    Unasked,
    Vantage,
)
from orchestrator.runtime.context import Context
from orchestrator.transport.asking import _DATAGRAM, NAME_SERVER, PER_NODE, ask
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import Script, ScriptedHost

NODE, INSIDE = Vantage("n1"), Vantage("n1", "/ns/web1", "task 1 of web on n1")


def reply(question, host):
    return ask(Context(lambda _event: None), [question], {"n1": host})[question]


def inside(**tables):
    """A node whose only namespace is that of a task."""
    return ScriptedHost("n1", namespaces={"/ns/web1": ScriptedHost("n1", **tables)})


def name_server(*addresses, rcode=dns.rcode.NOERROR, extra=()):
    """What Docker's name server sends back for `web`."""
    answer = dns.message.make_response(dns.message.make_query("web.", "A"), recursion_available=True)
    answer.set_rcode(rcode)
    if addresses:
        answer.answer.append(dns.rrset.from_text("web.", 600, "IN", "A", *addresses))
    answer.answer += extra
    wire = answer.to_wire()
    return struct.pack("!H", len(wire)) + wire


class TestLookup:
    QUESTION = Lookup(INSIDE, "web")

    def ask(self, answer):
        return reply(self.QUESTION, inside(tcp={NAME_SERVER: answer}))

    def test_addresses_come_sorted(self):
        assert self.ask(name_server("10.0.9.4", "10.0.9.3")) == Resolved("NOERROR", ("10.0.9.3", "10.0.9.4"))

    def test_other_records_are_no_addresses(self):
        alias = dns.rrset.from_text("web.", 600, "IN", "CNAME", "other.")
        assert self.ask(name_server("10.0.9.3", extra=[alias])) == Resolved("NOERROR", ("10.0.9.3",))

    @pytest.mark.parametrize("word", ["NXDOMAIN", "SERVFAIL", "REFUSED"])
    def test_the_name_servers_word_is_kept(self, word):
        assert self.ask(name_server(rcode=dns.rcode.from_text(word))) == Resolved(word)

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            ("refused", "refused"),
            (b"", "timeout"),
            (b"\x00", "reset"),
            (name_server("10.0.9.3")[:-3], "reset"),
        ],
    )
    def test_no_answer_tells_why(self, answer, failure):
        assert self.ask(answer) == Resolved(failure=failure)

    def test_an_answer_that_is_not_dns(self):
        assert self.ask(struct.pack("!H", 3) + b"abc").failure.startswith("the answer cannot be read")

    def test_a_dead_vantage_says_nothing_of_the_name_server(self):
        assert isinstance(self.ask("dead"), Unasked)

    def test_the_question_is_put_inside_the_namespace(self):
        host = inside(tcp={NAME_SERVER: name_server("10.0.9.3")})
        reply(self.QUESTION, host)
        assert host.dialled == []


class TestFetch:
    ANSWER = b'HTTP/1.0 200 OK\r\n\r\n{"task":"web2","node":"n2"}'

    def test_every_request_is_made_and_read(self):
        host = ScriptedHost("n1", tcp={("10.0.9.4", 80): self.ANSWER})
        found = reply(Fetch(NODE, "10.0.9.4", 80, count=3), host)
        assert [seen.answer for seen in found.seen] == [Answer(node="n2", task="web2")] * 3
        assert host.dialled == [("10.0.9.4", 80)] * 3

    def test_another_path_comes_with_its_digest(self):
        found = reply(Fetch(INSIDE, "10.0.9.4", 80, "/payload"), inside(tcp={("10.0.9.4", 80): self.ANSWER}))
        assert len(found.seen[0].digest) == 64

    def test_a_failure_of_the_target_is_an_answer_to_the_question(self):
        found = reply(Fetch(NODE, "10.0.9.9", 80), ScriptedHost("n1"))
        assert isinstance(found, Fetched)
        assert found.seen[0].outcome is Outcome.REFUSED

    def test_a_dead_vantage_is_not(self):
        host = ScriptedHost("n1")
        host.close()
        assert reply(Fetch(NODE, "10.0.9.9", 80), host) == Unasked("scripted: dead")

    def test_a_namespace_that_is_gone(self):
        found = reply(Fetch(INSIDE, "10.0.9.9", 80), ScriptedHost("n1"))
        assert "the network namespace /ns/web1 cannot be entered" in found.why


def line(*argv, namespace=""):
    """The command line that a node is given."""
    entering = ("nsenter", f"--net={namespace}") if namespace else ()
    return shlex.join(("env", "LC_ALL=C", *entering, *argv))


class TestRead:
    def test_a_command_runs_on_the_node(self):
        host = ScriptedHost("n1", commands={line("ip", "address"): Script("lo\n", "hm\n", 2)})
        assert reply(Read(NODE, ("ip", "address")), host) == Told(2, "lo\n", "hm\n")

    def test_or_in_a_namespace(self):
        command = line("cat", "/proc/net/ip_vs", namespace="/ns/web1")
        host = ScriptedHost("n1", commands={command: Script("IP Virtual Server\n")})
        assert reply(Read(INSIDE, ("cat", "/proc/net/ip_vs")), host).stdout == "IP Virtual Server\n"

    def test_a_command_that_is_not_installed_says_nothing_of_the_target(self):
        assert reply(Read(NODE, ("tcpdump",)), ScriptedHost("n1")) == Unasked("tcpdump is not installed on n1")


class TestDatagram:
    QUESTION = Datagram(INSIDE, "10.0.9.4", 5353)
    COMMAND = line("bash", "-c", _DATAGRAM, "bash", "10.0.9.4", "5353", "3", namespace="/ns/web1")

    @pytest.mark.parametrize(
        ("script", "found"),
        [
            (Script('{"task":"web2"}\n'), Echoed(Echo.ANSWERED, '{"task":"web2"}\n', Answer(task="web2"))),
            (Script("hello"), Echoed(Echo.ANSWERED, "hello")),
            (Script(exit_code=124), Echoed(Echo.SILENT)),
            (Script("", "dd: reading: Connection refused", 1), Echoed(Echo.REFUSED, "dd: reading: Connection refused")),
            (Script("", "Network is unreachable", 1), Echoed(Echo.UNREACHABLE, "Network is unreachable")),
            (Script("", "No route to host", 1), Echoed(Echo.UNREACHABLE, "No route to host")),
        ],
    )
    def test_what_came_of_it(self, script, found):
        assert reply(self.QUESTION, ScriptedHost("n1", commands={self.COMMAND: script})) == found

    def test_what_keeps_it_from_being_sent_says_nothing_of_the_target(self):
        host = ScriptedHost("n1", commands={self.COMMAND: Script("", "bash: fork: out of memory", 1)})
        assert "fork: out of memory" in reply(self.QUESTION, host).why
        assert "bash is not installed" in reply(self.QUESTION, ScriptedHost("n1")).why


class TestEngine:
    @pytest.fixture
    def swarm(self):
        swarm = FakeSwarm("n1", images={"web:1": "sha256:web"})
        ScriptedHost("n1", swarm=swarm).engine().init_swarm(advertise_addr="192.168.90.11")
        swarm.changes.clear()
        return swarm

    def test_an_object_that_is_there_and_one_that_is_not(self, swarm):
        host = ScriptedHost("n1", swarm=swarm)
        assert reply(Inspect(NODE, "network", "ingress", verbose=True), host).found["Name"] == "ingress"
        assert "ingress" in {raw["Name"] for raw in reply(Inspect(NODE, "networks"), host).found}
        for kind in ("network", "container"):
            assert reply(Inspect(NODE, kind, "gone"), host) == Inspected(None)

    def test_an_engine_that_cannot_be_reached(self):
        assert "engine cannot be reached" in reply(Inspect(NODE, "network", "x"), ScriptedHost("n1")).why

    def test_a_refusal_is_told_and_changes_nothing(self, swarm):
        swarm.fail("n1", "POST /networks/create", 400, "invalid network name")
        call = EngineCall(NODE, "/networks/create", json.dumps({"Name": "-"}), "/networks")
        found = reply(call, ScriptedHost("n1", swarm=swarm))
        assert found == Refused(400, "invalid network name")
        assert swarm.changes == []

    def test_what_should_have_been_refused_is_removed_at_once(self, swarm):
        call = EngineCall(NODE, "/networks/create", json.dumps({"Name": "net", "Driver": "overlay"}), "/networks")
        found = reply(call, ScriptedHost("n1", swarm=swarm))
        assert found.created
        assert swarm.changes == ["n1 POST /networks/create", f"n1 DELETE /networks/{found.created}"]
        assert list(swarm.networks) == ["ingress"]


class TestTogether:
    def test_a_node_that_cannot_be_reached_leaves_only_its_own_questions_unasked(self):
        here, lost, missing = (Read(Vantage(node), ("true",)) for node in ("n1", "n2", "n3"))
        hosts = {"n1": ScriptedHost("n1", commands={line("true"): Script()}), "n2": Problem("timeout", "no answer")}
        replies = ask(Context(lambda _event: None), [here, lost, missing], hosts)
        assert replies[here] == Told(0, "")
        assert replies[lost] == Unasked("no answer")
        assert isinstance(replies[missing], Unasked)

    def test_the_same_question_is_asked_once(self):
        host = ScriptedHost("n1", commands={line("true"): Script()})
        question = Read(NODE, ("true",))
        ask(Context(lambda _event: None), [question, Read(NODE, ("true",))], {"n1": host})
        assert host.ran == [line("true")]

    def test_a_namespace_is_left_again(self):
        space = ScriptedHost("n1", tcp={NAME_SERVER: name_server("10.0.9.3")})
        reply(Lookup(INSIDE, "web"), ScriptedHost("n1", namespaces={"/ns/web1": space}))
        assert space.closed

    def test_cancelling_interrupts(self):
        context = Context(lambda _event: None)
        context.cancel()
        with pytest.raises(Interrupted):
            ask(context, [Read(NODE, ("true",))], {"n1": ScriptedHost("n1")})

    def test_no_more_commands_at_once_than_an_sshd_allows_sessions(self):
        busy, most, lock = [], [], threading.Lock()

        class Counting(ScriptedHost):
            def run(self, argv, **options):
                with lock:
                    busy.append(argv)
                    most.append(len(busy))
                    meet = len(most) == PER_NODE
                if meet:
                    full.set()
                full.wait(10)
                with lock:
                    busy.pop()
                return super().run(argv, **options)

        full = threading.Event()
        questions = [Read(Vantage("n1", f"/ns/{number}"), ("true",)) for number in range(3 * PER_NODE)]
        ask(Context(lambda _event: None), questions, {"n1": Counting("n1")})
        assert max(most) == PER_NODE
