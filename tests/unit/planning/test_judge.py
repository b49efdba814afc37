"""What is broken is found where it is broken."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.inventory import Role
from orchestrator.model.lab import Port, PublishMode
from orchestrator.model.observed import SwarmState
from orchestrator.model.probe import OPERATOR, Answer, Observation, Outcome
from orchestrator.model.verdict import Verdict, VerifyReport
from orchestrator.planning.judge import judge

from .builders import lost, with_member, with_service, with_swarm, with_view
from .mesh import WEB, Cluster, Faults, ask, asked, cluster, drop_answers_of, verdicts

FEW_REQUESTS = cluster(requests=4)


def overall(reports):
    return VerifyReport("demo", tuple(reports)).verdict


def checks(reports, check, verdict=None):
    """The checks of a kind by what is behind ``via`` or ``from`` in their subject."""
    found = [c for report in reports for c in report.checks if c.check == check]
    return {c.subject.rpartition(" ")[2]: c for c in found if verdict in {None, c.verdict}}


def blamed(reports):
    return {node for r in reports for c in r.checks if c.verdict is Verdict.FAIL for node in c.nodes}


def failed_cells(reports):
    return {
        (cell.vantage, cell.entry, cell.vantage == cell.entry and cell.address == "127.0.0.1")
        for report in reports
        for cell in report.cells
        if cell.verdict is Verdict.FAIL
    }


@pytest.mark.parametrize(("nodes", "replicas"), [(1, 1), (1, 3), (2, 1), (3, 2), (3, 5), (5, 4)])
def test_a_sound_mesh_passes_every_check(nodes, replicas):
    reports = verdicts(cluster(nodes, replicas))
    assert overall(reports) is Verdict.PASS
    assert {c.check for c in reports[0].checks} == {"mesh", "identity", "coverage", "share", "entry"}
    assert len(reports[0].checks) == 5 * nodes
    assert (reports[0].lab, reports[0].service, reports[0].published) == ("ingress-mesh", WEB, 8080)
    cell = reports[0].cells[0]
    assert (cell.asked, cell.answered, cell.latency_median) == (20, 20, 0.02)
    assert sum(cell.tasks.values()) == 20


def test_a_link_that_is_down_is_blamed_on_its_node_alone():
    reports = verdicts(cluster(), Faults(link=("n2",)))
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert set(mesh) == {"n1", "n2", "n3"}
    assert {check.nodes for check in mesh.values()} == {("n2",)}
    assert "n1, n3 cannot reach n2" in mesh["n2"].reason.replace(" and ", ", ")
    assert "n2 does not reach the other nodes: its link or its firewall" in mesh["n1"].reason
    assert "data path from n3 to n2" in mesh["n3"].reason
    assert blamed(reports) == {"n2"}


@pytest.mark.parametrize("replicas", [1, 2])
def test_packets_dropped_at_one_entry(replicas):
    reports = verdicts(cluster(replicas=replicas), Faults(closed={"n3": Outcome.TIMEOUT}))
    assert failed_cells(reports) == {("n1", "n3", False), ("n2", "n3", False), (OPERATOR, "n3", False)}
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert set(mesh) == {"n3"}
    assert mesh["n3"].nodes == ("n3",)
    assert "packets to n3 are dropped: its link is down or a firewall drops them" in mesh["n3"].reason
    assert "which answers itself" in mesh["n3"].reason
    assert blamed(reports) == {"n3"}


def test_another_protocol_is_no_fault_of_the_network():
    everywhere = dict.fromkeys(("n1", "n2", "n3"), Outcome.NOT_HTTP)
    reports = verdicts(cluster(), Faults(deaf=everywhere))
    assert overall(reports) is Verdict.FAIL
    assert blamed(reports) == set()
    assert "the port answers on every node, but not in HTTP" in checks(reports, "mesh")["n1"].reason
    at_one = checks(verdicts(cluster(), Faults(deaf={"n2": Outcome.NOT_HTTP})), "mesh", Verdict.FAIL)["n2"]
    assert at_one.nodes == ("n2",)
    assert "something else listens there" in at_one.reason


def test_a_refusing_entry_is_a_listener_or_a_rejecting_firewall():
    reports = verdicts(cluster(), Faults(closed={"n2": Outcome.REFUSED}))
    check = checks(reports, "mesh", Verdict.FAIL)["n2"]
    assert check.nodes == ("n2",)
    assert "from n1, n3 and operator: refused (20 of 20)" in check.reason
    assert "a firewall on n2 rejects, or dockerd does not listen" in check.reason
    assert "8080" in check.hint


@pytest.mark.parametrize(
    ("outcome", "likely"),
    [
        (Outcome.REFUSED, "dockerd on n2 does not listen for the mesh, or a firewall there rejects"),
        (Outcome.TIMEOUT, "packets are dropped: a firewall on n2"),
    ],
)
@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_an_entry_that_lets_nobody_in_not_even_itself(outcome, likely, replicas):
    reports = verdicts(cluster(replicas=replicas), Faults(deaf={"n2": outcome}))
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert set(mesh) == {"n2"}
    assert mesh["n2"].nodes == ("n2",)
    assert likely in mesh["n2"].reason
    assert "not even itself" in mesh["n2"].reason
    assert blamed(reports) == {"n2"}


def test_only_the_loopback_address_fails():
    reports = verdicts(cluster(), Faults(loopback=("n1",)))
    assert failed_cells(reports) == {("n1", "n1", True)}
    check = checks(reports, "mesh", Verdict.FAIL)["n1"]
    assert "on n1 only 127.0.0.1 fails, its address answers" in check.reason
    assert check.nodes == ("n1",)


def test_a_task_that_answers_nobody():
    found = cluster()
    task, host = next((task, node) for task, node in found.tasks.items() if node == "n2")
    reports = verdicts(found, Faults(stopped=(task,)))
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert set(mesh) == {"n1", "n2", "n3"}
    assert all(f"on {host} answers nobody" in check.reason for check in mesh.values())
    assert not any("data path" in check.reason for check in mesh.values())
    assert blamed(reports) == {host}
    assert {c.nodes for c in checks(reports, "coverage", Verdict.FAIL).values()} == {(host,)}


@pytest.mark.parametrize("seed", range(100))
def test_a_way_on_which_by_chance_every_request_met_the_silent_task_is_not_blamed(seed):
    found = FEW_REQUESTS
    task, host = next((task, node) for task, node in found.tasks.items() if node == "n2")
    reports = verdicts(found, Faults(stopped=(task,)), random.Random(seed))
    failing = checks(reports, "mesh", Verdict.FAIL).values()
    assert {node for check in failing for node in check.nodes} == {host}


def test_a_broken_data_path_of_one_node():
    reports = verdicts(cluster(), Faults(data_path=("n3",)))
    hosts = set(cluster().tasks.values())
    assert hosts == {"n2", "n3"}
    assert blamed(reports) == {"n3"}
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert set(mesh) == {"n1", "n2", "n3"}
    assert all("VXLAN, by default UDP 4789" in check.reason for check in mesh.values())


def test_the_data_path_to_the_only_task_is_not_blamed_on_the_entries():
    found = cluster(replicas=1)
    (host,) = set(found.tasks.values())
    reports = verdicts(found, Faults(data_path=(host,)))
    assert set(checks(reports, "mesh", Verdict.FAIL)) == {"n1", "n2", "n3"} - {host}
    assert blamed(reports) == {host}


def test_of_two_nodes_the_one_that_cannot_be_asked_is_suspect():
    """Each misses the other's task, which the operator's requests show; alone, that says nothing of the culprit."""
    faults = Faults(data_path=("n2",))
    assert blamed(verdicts(cluster(2, 2), faults)) == {"n1", "n2"}
    assert blamed(verdicts(cluster(2, 2), replace(faults, dead=("n2",)))) == {"n2"}


def test_a_task_that_only_its_own_node_does_not_reach():
    found = cluster()
    task, host = next((task, node) for task, node in found.tasks.items() if node == "n2")
    observations = [
        replace(seen, outcome=Outcome.TIMEOUT, answer=Answer())
        if ">n2 " in seen.probe and seen.answer.task == task
        else seen
        for seen in ask(found)
    ]
    (check,) = checks(judge(found.plan, observations, found.view), "mesh", Verdict.FAIL).values()
    assert check.nodes == (host,)
    assert "answers, but not through n2" in check.reason
    assert "data path" not in check.reason


def test_two_nodes_that_do_not_reach_each_other():
    reports = verdicts(cluster(5, 5), Faults(apart=({"n2", "n4"},)))
    assert failed_cells(reports) == {("n2", "n4", False), ("n4", "n2", False)}
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert {check.nodes for check in mesh.values()} == {("n2", "n4")}
    assert "either side may be to blame" in mesh["n2"].reason


def test_only_the_way_from_this_machine_fails():
    reports = verdicts(cluster(), Faults(apart=({OPERATOR, "n1"}, {OPERATOR, "n2"}, {OPERATOR, "n3"})))
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert len(mesh) == 3
    assert blamed(reports) == set()
    assert all("only the way from this machine" in check.reason for check in mesh.values())


def test_a_dead_vantage_is_inconclusive_and_never_a_failure_of_the_target():
    reports = verdicts(cluster(), Faults(dead=("n2",)))
    assert overall(reports) is Verdict.INCONCLUSIVE
    assert {c.verdict for c in reports[0].cells if c.vantage == "n2"} == {Verdict.INCONCLUSIVE}
    assert {c.verdict for c in reports[0].cells if c.vantage != "n2"} == {Verdict.PASS}
    (check,) = [c for c in reports[0].checks if c.verdict is Verdict.INCONCLUSIVE]
    assert check.subject == f"{WEB} :8080 from n2"
    assert check.nodes == ("n2",)
    assert "n2 cannot be asked from: what the system said" in check.reason


def test_a_dead_node_fails_as_entry_and_is_inconclusive_as_vantage():
    found = cluster()
    view = with_member(lost(found.view, "n3"), "n3", state="down")
    found = Cluster(found.inventory, found.view, asked(found.inventory, view).plan)
    reports = judge(found.plan, ask(found, Faults(link=("n3",), dead=("n3",))), view)
    assert overall(reports) is Verdict.FAIL
    assert blamed(reports) == {"n3"}
    assert "it cannot be reached: no answer within 10 s" in checks(reports, "mesh", Verdict.FAIL)["n3"].reason


def test_a_node_that_is_not_in_the_swarm_is_named_so():
    found = cluster()
    view = with_view(found.view, "n2", swarm=SwarmState.INACTIVE, node_id="", node_addr="")
    view = with_member(view, "n2", state="down")
    plan = asked(found.inventory, view).plan
    assert "192.168.90.12" in {probe.target.address for probe in plan.probes if probe.target.entry == "n2"}
    observations = ask(Cluster(found.inventory, found.view, plan), Faults(deaf={"n2": Outcome.REFUSED}))
    check = checks(judge(plan, observations, view), "mesh", Verdict.FAIL)["n2"]
    assert "it is not in the swarm (its state is inactive)" in check.reason
    assert check.nodes == ("n2",)


@pytest.mark.parametrize(("outcome", "likely"), [(Outcome.REFUSED, "another port"), (Outcome.TIMEOUT, "do not answer")])
def test_nothing_answers_anywhere(outcome, likely):
    found = cluster()
    reports = verdicts(found, Faults(deaf=dict.fromkeys(("n1", "n2", "n3"), outcome)))
    assert blamed(reports) == set(found.tasks.values())
    mesh = checks(reports, "mesh", Verdict.FAIL)
    assert all("nothing answers on any node" in check.reason and likely in check.reason for check in mesh.values())
    assert {c.check for c in reports[0].checks} == {"mesh"}


def test_nothing_answers_because_no_task_runs():
    found = cluster()
    view = with_swarm(found.view, tasks=())
    observations = ask(found, Faults(deaf=dict.fromkeys(("n1", "n2", "n3"), Outcome.RESET)))
    mesh = checks(judge(found.plan, observations, view), "mesh", Verdict.FAIL)
    assert all("no task of ingress-mesh_web runs" in check.reason for check in mesh.values())


def test_a_task_that_one_entry_has_forgotten():
    """Nothing fails; round robin at n1 simply does not know one task."""
    found = cluster(replicas=3)
    task, host = next((task, node) for task, node in found.tasks.items() if node == "n2")
    reports = verdicts(found, Faults(forgotten=(("n1", task),)))
    assert not checks(reports, "mesh", Verdict.FAIL)
    (check,) = checks(reports, "coverage", Verdict.FAIL).values()
    assert check.subject.endswith("via n1")
    assert check.nodes == ("n1",)
    assert f"2 of 3 running tasks answered; never seen: task 1 on {host}" in check.reason
    assert "n1" not in checks(reports, "share")


def test_uneven_shares():
    found = cluster()
    first, _ = found.tasks
    observations = []
    for seen in ask(found):
        mine = seen.answer.client == found.view.node("n2").ingress_address and seen.attempt % 10 < 8
        observations.append(replace(seen, answer=replace(seen.answer, task=first)) if mine else seen)
    (check,) = checks(judge(found.plan, observations, found.view), "share", Verdict.FAIL).values()
    assert check.nodes == ("n2",)
    assert "not shared evenly" in check.reason
    assert not checks(judge(found.plan, observations, found.view, tolerance=1.0), "share", Verdict.FAIL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "tk-0"}, "task tk-0 answered, which the managers do not know (1 of 100 answers)"),
        ({"task": ""}, "an answer does not name its task"),
        ({"service": "ingress-mesh_other"}, "calls itself ingress-mesh_other"),
    ],
)
def test_answers_that_are_not_of_a_running_task_of_the_service(change, said):
    found = cluster()
    observations = ask(found)
    index = next(i for i, seen in enumerate(observations) if "n1>n2" in seen.probe)
    observations[index] = replace(observations[index], answer=replace(observations[index].answer, **change))
    (check,) = checks(judge(found.plan, observations, found.view), "identity", Verdict.FAIL).values()
    assert said in check.reason
    assert check.nodes == ("n2",)


def test_answers_of_old_tasks_and_of_other_services_are_named_so():
    found = cluster()
    old, other = (
        replace(task, id=name, service=service, state="shutdown", desired="shutdown")
        for task, name, service in zip(found.view.swarm.tasks[:2], ("old", "other"), (WEB, "shop"), strict=False)
    )
    view = with_swarm(found.view, tasks=(*found.view.swarm.tasks, old, other))
    observations = ask(found)
    for index, task in enumerate(("old", "other")):
        observations[index] = replace(observations[index], answer=replace(observations[index].answer, task=task))
    (check,) = checks(judge(found.plan, observations, view), "identity", Verdict.FAIL).values()
    assert "which is shutdown and shall be shutdown" in check.reason
    assert "of the service shop answered" in check.reason


def test_answers_that_never_name_their_task_are_judged_for_reachability_only():
    found = cluster()
    observations = [replace(seen, answer=Answer()) for seen in ask(found)]
    reports = judge(found.plan, observations, found.view)
    assert overall(reports) is Verdict.PASS
    assert {check.check for check in reports[0].checks} == {"mesh"}
    assert all("do not name their task" in check.reason for check in reports[0].checks)


def test_an_entry_with_the_address_of_another_node():
    found = cluster()
    theirs = found.view.node("n3").ingress_address
    observations = [
        replace(seen, answer=replace(seen.answer, client=theirs)) if ">n2 " in seen.probe else seen
        for seen in ask(found)
    ]
    (check,) = checks(judge(found.plan, observations, found.view), "entry", Verdict.FAIL).values()
    assert check.nodes == ("n2", "n3")
    assert f"requests came in by {theirs} (n3)" in check.reason


@pytest.mark.parametrize("side", ["view", "answers"])
def test_an_unknown_entry_address_is_inconclusive(side):
    found = cluster()
    observations, view = ask(found), found.view
    if side == "view":
        view = with_view(view, "n2", ingress_address="")
    else:
        observations = [replace(seen, answer=replace(seen.answer, client="")) for seen in observations]
    reports = judge(found.plan, observations, view)
    assert set(checks(reports, "entry", Verdict.INCONCLUSIVE)) >= {"n2"}
    assert overall(reports) is Verdict.INCONCLUSIVE


def test_a_server_error_is_no_good_answer():
    found = cluster()
    observations = ask(found)
    observations[0] = replace(observations[0], status=502)
    reports = judge(found.plan, observations, found.view)
    assert "HTTP 502 (1 of 20)" in checks(reports, "mesh", Verdict.FAIL)["n1"].reason


def test_requests_that_get_lost_at_random():
    found = cluster()
    observations = ask(found)
    observations[0] = replace(observations[0], outcome=Outcome.RESET, answer=Answer())
    check = checks(judge(found.plan, observations, found.view), "mesh", Verdict.FAIL)["n1"]
    assert "every task answers through n1 at times" in check.reason


def test_a_run_that_was_cut_short_is_inconclusive():
    found = cluster()
    reports = judge(found.plan, ask(found)[:-1], found.view)
    assert overall(reports) is Verdict.INCONCLUSIVE
    assert any("only 19 of 20 requests were made" in check.reason for check in reports[0].checks)


def test_nothing_published_gives_no_report():
    found = cluster(ports=())
    assert found.plan.probes == ()
    assert judge(found.plan, [], found.view) == ()


def closed(found):
    """What the probes of a host-mode port meet when all is well."""
    nodes = {node: task for task, node in found.tasks.items()}
    for probe in found.plan.probes:
        for number in range(probe.count):
            if probe.expect == "refused":
                yield Observation(probe.id, number, Outcome.REFUSED, 0.01)
            else:
                node = probe.target.entry
                yield Observation(probe.id, number, Outcome.ANSWERED, 0.01, 200, Answer(node, WEB, nodes[node], "1"))


def test_host_mode_ports_listen_where_tasks_run_and_nowhere_else():
    found = cluster(ports=(Port(8080, 80, mode=PublishMode.HOST),))
    reports = judge(found.plan, list(closed(found)), found.view)
    assert overall(reports) is Verdict.PASS
    assert {check.check for check in reports[0].checks} == {"publish-mode", "identity"}


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.TIMEOUT, Outcome.UNREACHABLE, Outcome.RESET])
def test_a_host_mode_port_without_a_task_must_refuse(outcome):
    found = cluster(ports=(Port(8080, 80, mode=PublishMode.HOST),))
    (idle,) = {"n1", "n2", "n3"} - set(found.tasks.values())
    observations = [replace(seen, outcome=outcome) if f">{idle} " in seen.probe else seen for seen in closed(found)]
    (check,) = checks(judge(found.plan, observations, found.view), "publish-mode", Verdict.FAIL).values()
    assert check.nodes == (idle,)
    assert f"{idle} runs no task of it, so the connection must be refused" in check.reason


def test_a_host_mode_answer_must_come_from_a_task_of_that_node():
    found = cluster(ports=(Port(8080, 80, mode=PublishMode.HOST),))
    first, second = found.tasks
    observations = [
        replace(seen, answer=replace(seen.answer, task=second)) if seen.answer.task == first else seen
        for seen in closed(found)
    ]
    (check,) = checks(judge(found.plan, observations, found.view), "identity", Verdict.FAIL).values()
    assert check.nodes == (found.tasks[first],)


def test_a_service_without_replicas_must_be_refused_everywhere():
    found = cluster(replicas=0)
    assert {probe.expect for probe in found.plan.probes} == {"refused"}
    refused = [Observation(probe.id, 0, Outcome.REFUSED, 0.01) for probe in found.plan.probes]
    assert overall(judge(found.plan, refused, found.view)) is Verdict.PASS
    stale = [replace(seen, outcome=Outcome.TIMEOUT) for seen in refused[:1]] + refused[1:]
    (check,) = checks(judge(found.plan, stale, found.view), "mesh", Verdict.FAIL).values()
    assert "it has no replicas, so the connection must be refused" in check.reason


SOUND = {(nodes, replicas): cluster(nodes, replicas, requests=6) for nodes in (1, 2, 3, 5) for replicas in (1, 2, 3)}
BAD = [outcome for outcome in Outcome if outcome not in {Outcome.ANSWERED, Outcome.VANTAGE_DEAD}]
sound = st.sampled_from(list(SOUND.values()))


@settings(max_examples=40, deadline=None)
@given(sound, st.data())
def test_one_bad_observation_never_passes(found, data):
    observations = ask(found)
    index = data.draw(st.integers(0, len(observations) - 1))
    outcome = data.draw(st.sampled_from(BAD))
    observations[index] = replace(observations[index], outcome=outcome, answer=Answer())
    reports = judge(found.plan, observations, found.view)
    assert overall(reports) is Verdict.FAIL
    assert len([cell for report in reports for cell in report.cells if cell.verdict is Verdict.FAIL]) == 1


@settings(max_examples=40, deadline=None)
@given(sound, st.data())
def test_whatever_comes_back_is_judged_without_an_exception(found, data):
    chooser = data.draw(st.randoms(use_true_random=False))
    tasks = [*found.tasks, "", "tk-unknown"]
    observations = [
        Observation(probe.id, n, chooser.choice(list(Outcome)), 0.1, 200, Answer(task=chooser.choice(tasks)))
        for probe in found.plan.probes
        for n in range(chooser.randrange(probe.count + 1))
    ]
    reports = judge(found.plan, observations, found.view)
    bad = any(seen.outcome in BAD for seen in observations)
    assert (overall(reports) is Verdict.FAIL) or not bad
    for check in (check for report in reports for check in report.checks):
        assert check.verdict is Verdict.PASS or check.reason


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([found for (_, replicas), found in SOUND.items() if replicas > 1]), st.data())
def test_a_task_that_is_never_seen_fails_the_coverage(found, data):
    task = data.draw(st.sampled_from(list(found.tasks)))
    reports = judge(found.plan, drop_answers_of(ask(found), task), found.view)
    assert checks(reports, "coverage", Verdict.FAIL).keys() == {node.name for node in found.inventory.nodes}
    assert blamed(reports) >= {found.tasks[task]}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([3, 4, 5]), st.sampled_from([2, 3, 5, 7]), st.data())
def test_a_single_fault_is_blamed_on_its_node_alone(nodes, replicas, data):
    found = SOUND.get((nodes, replicas)) or SOUND.setdefault((nodes, replicas), cluster(nodes, replicas, requests=6))
    node = data.draw(st.sampled_from([node.name for node in found.inventory.nodes]))
    fault = data.draw(
        st.sampled_from(
            [
                Faults(link=(node,)),
                Faults(closed={node: Outcome.REFUSED}),
                Faults(closed={node: Outcome.TIMEOUT}),
                Faults(deaf={node: Outcome.REFUSED}),
                Faults(deaf={node: Outcome.TIMEOUT}),
                Faults(deaf={node: Outcome.UNREACHABLE}),
                Faults(loopback=(node,)),
                Faults(data_path=(node,)),
                Faults(link=(node,), dead=(node,)),
            ]
        )
    )
    reports = verdicts(found, fault)
    assert overall(reports) is Verdict.FAIL
    assert blamed(reports) == {node}


def test_roles_do_not_matter_for_entries():
    found = cluster()
    view = with_member(found.view, "n2", role=Role.MANAGER)
    assert judge(found.plan, ask(found), view) == judge(found.plan, ask(found), found.view)


def test_a_service_that_is_gone_from_the_view_is_still_judged():
    found = cluster()
    view = with_service(found.view, WEB, spec=replace(found.view.swarm.services[0].spec, name="renamed"))
    assert judge(found.plan, ask(found), view)[0].lab == ""
