"""What a sample of the pairs is sure to ask, for any number of nodes and tasks and any seed."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.probe import OPERATOR, Pairs, Target
from orchestrator.planning.pairs import (
    ALL_UP_TO,
    NEIGHBOURS,
    REQUESTS_FOR_PATHS,
    automatic,
    sampled,
    seeds_for_all,
    ways_before,
)

from .mesh import Faults, ask, asked, cluster, verdicts

SIZES = st.integers(1, 40)
SEEDS = st.integers(0, 10_000)
CLUSTERS = {n: cluster(n, replicas=r, operator=False) for n, r in ((1, 1), (2, 3), (3, 2), (7, 7), (23, 5), (30, 60))}
SAMPLES = (Pairs.PATHS, Pairs.NODES)


def plan(found, pairs, seed=0, **options):
    return asked(found.inventory, found.view, pairs=pairs, seed=seed, **options)


@given(st.integers(1, 60), st.integers(1, 5))
def test_before_there_is_a_swarm_everyone_tries_the_managers_and_what_is_tried_grows_with_the_hosts(size, managers):
    names = [f"n{number}" for number in range(size)]
    found = list(ways_before(names, set(names[:managers])))
    assert len(set(found)) == len(found)
    assert all(source != target for source, target in found)
    if size <= ALL_UP_TO:
        assert set(found) == set(itertools.permutations(names, 2))
        return
    assert {(host, manager) for host in names for manager in names[:managers] if host != manager} <= set(found)
    tried, tries = Counter(target for _, target in found), Counter(source for source, _ in found)
    assert min(tried[name] for name in names) >= NEIGHBOURS
    assert min(tries[name] for name in names) >= NEIGHBOURS
    assert len(found) <= size * (managers + NEIGHBOURS)


@given(SIZES, SEEDS)
def test_each_node_asks_as_many_others_as_ask_it(size, seed):
    names = [f"n{number}" for number in range(size)]
    pairs = list(sampled(names, names, seed))
    due = min(NEIGHBOURS, size - 1)
    assert Counter(vantage for vantage, _ in pairs) == Counter(dict.fromkeys(names, due) if due else {})
    assert Counter(entry for _, entry in pairs) == Counter(dict.fromkeys(names, due) if due else {})
    assert len(set(pairs)) == len(pairs)
    assert all(vantage != entry for vantage, entry in pairs)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), SEEDS)
def test_nodes_that_only_ask_or_are_only_asked_are_not_left_out(both, only_ask, only_asked, seed):
    vantages = [f"n{number}" for number in range(both + only_ask)]
    entries = [*vantages[:both], *(f"guest{number}" for number in range(only_asked))]
    pairs = list(sampled(vantages, entries, seed))
    for entry in entries:
        assert len({v for v, e in pairs if e == entry}) >= min(NEIGHBOURS, len({*vantages} - {entry}))
    for vantage in vantages:
        assert len({e for v, e in pairs if v == vantage}) >= min(NEIGHBOURS, len({*entries} - {vantage}))
    assert len(set(pairs)) == len(pairs)


@given(SIZES, SEEDS)
def test_so_many_successive_seeds_ask_every_pair(size, seed):
    names = [f"n{number}" for number in range(size)]
    seen = {pair for turn in range(seeds_for_all(size)) for pair in sampled(names, names, seed + turn)}
    assert seen == set(itertools.permutations(names, 2))


@given(st.sampled_from(sorted(CLUSTERS)), st.sampled_from(SAMPLES), SEEDS)
def test_every_node_is_vantage_and_entry_and_the_same_seed_asks_the_same(size, pairs, seed):
    found = plan(CLUSTERS[size], pairs, seed)
    names = {node.name for node in found.inventory.nodes}
    assert {probe.vantage for probe in found.plan.probes} == names
    assert {probe.target.entry for probe in found.plan.probes} == names
    own = {(p.vantage, p.target.address == "127.0.0.1") for p in found.plan.probes if p.vantage == p.target.entry}
    assert own == {(name, loopback) for name in names for loopback in (True, False)}
    assert plan(CLUSTERS[size], pairs, seed).plan == found.plan


@given(st.sampled_from(sorted(CLUSTERS)), st.sampled_from(SAMPLES), SEEDS, st.randoms(use_true_random=False))
def test_what_is_promised_of_tasks_is_kept_wherever_round_robin_stands(size, pairs, seed, chance):
    found = plan(CLUSTERS[size], pairs, seed)
    tasks = list(found.tasks)
    made = Counter()
    for probe in found.plan.probes:
        made[probe.target.entry] += probe.count
    thin = {entry for _, _, entry in found.plan.thin}
    seen = {}
    for entry, count in made.items():
        start = chance.randrange(len(tasks))
        seen[entry] = {tasks[(start + turn) % len(tasks)] for turn in range(count)}
    full = [entry for entry in made if entry not in thin]
    assert all(seen[entry] == set(tasks) for entry in full)
    if pairs is Pairs.PATHS:
        assert not thin
    assert len(full) >= min(2, size)
    hosts = {found.tasks[task] for task in tasks}
    crossed = {(entry, found.tasks[task]) for entry in full for task in seen[entry]}
    assert len(crossed) == found.plan.sample.paths
    assert found.plan.sample.all_paths == size * len(hosts)


@pytest.mark.parametrize("pairs", SAMPLES)
def test_a_healthy_mesh_passes_and_the_counts_tell_what_was_asked(pairs):
    found = plan(CLUSTERS[30], pairs)
    assert {c.verdict for port in verdicts(found) for c in port.checks} == {"pass"}
    sample = found.plan.sample
    assert (sample.vantages, sample.entries, sample.ways, sample.all_ways) == (30, 30, 30 * 4, 30 * 31)
    assert sample.requests == sum(probe.count for probe in found.plan.probes)
    covered = [c for port in verdicts(found) for c in port.checks if c.check == "coverage"]
    assert len(covered) == (30 if pairs is Pairs.PATHS else 2)


def test_a_sample_grows_with_the_nodes_and_all_pairs_with_their_square():
    sizes = {}
    for size in (50, 100):
        found = cluster(size, replicas=4, operator=False)
        sizes[size] = [len(plan(found, pairs).plan.probes) for pairs in (Pairs.NODES, Pairs.PATHS, Pairs.ALL)]
    assert sizes == {50: [200, 200, 50 * 51], 100: [400, 400, 100 * 101]}


def test_the_number_of_nodes_and_then_of_requests_chooses():
    assert automatic(ALL_UP_TO, 10**9) is Pairs.ALL
    assert automatic(ALL_UP_TO + 1, REQUESTS_FOR_PATHS) is Pairs.PATHS
    assert automatic(ALL_UP_TO + 1, REQUESTS_FOR_PATHS + 1) is Pairs.NODES
    small, large = cluster(ALL_UP_TO, operator=False), cluster(ALL_UP_TO + 1, operator=False)
    assert small.plan.sample.pairs is Pairs.ALL
    assert large.plan.sample.pairs is Pairs.PATHS
    assert plan(large, None, requests=5000).plan.sample.pairs is Pairs.NODES


def test_the_operator_asks_every_node_in_a_sample_too():
    names = [node.name for node in CLUSTERS[30].inventory.nodes]
    routes = {(name, 8080): Target(name, "127.0.0.1", 31080 + number) for number, name in enumerate(names)}
    found = asked(CLUSTERS[30].inventory, CLUSTERS[30].view, routes, pairs=Pairs.NODES)
    assert [p.target for p in found.plan.probes if p.vantage == OPERATOR] == list(routes.values())
    assert found.plan.sample.ways == 120, "the operator's ways are not between nodes"


@pytest.mark.parametrize("pairs", SAMPLES)
def test_a_node_whose_data_path_is_cut_is_blamed(pairs):
    found = plan(CLUSTERS[30], pairs)
    (port,) = verdicts(found, Faults(data_path=("n7",)))
    failed = [check for check in port.checks if check.verdict == "fail" and check.check == "coverage"]
    assert failed
    assert {node for check in failed for node in check.nodes} == {"n7"}


def test_where_too_little_was_asked_nothing_is_told_of_tasks():
    found = plan(CLUSTERS[30], Pairs.NODES)
    (port,) = verdicts(found, Faults(data_path=("n7",)))
    thin = {entry for _, _, entry in found.plan.thin}
    assert thin
    stories = [c for c in port.checks if c.check == "mesh" and c.verdict == "fail" and c.subject.split()[-1] in thin]
    assert all("too few requests" in c.reason or "n7" in c.nodes for c in stories)
    assert not [c for c in port.checks if c.check == "coverage" and c.subject.split()[-1] in thin]


def test_an_entry_that_lost_its_vantages_is_inconclusive_and_no_failure():
    found = plan(CLUSTERS[30], Pairs.PATHS)
    askers = {p.vantage for p in found.plan.probes if p.target.entry == "n7"}
    one = min(askers - {"n7"})
    (port,) = verdicts(found, Faults(dead=tuple(askers - {one})))
    (covered,) = [c for c in port.checks if c.check == "coverage" and c.subject.endswith(" n7")]
    assert covered.verdict == "inconclusive"
    assert "too few to see all 60 running tasks" in covered.reason
    assert not [c for c in port.checks if c.verdict == "fail"]
    assert ask(found)
