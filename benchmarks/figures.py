"""What is measured, and the arithmetic from samples to figures. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Samples = Mapping[str, Sequence[float]]
"""Measured values by what was done, in the order in which they were taken."""


@dataclass(frozen=True)
class Series:
    """Values of one kind. Raises ``ValueError`` where there is none."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a series needs at least one value")

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)


@dataclass(frozen=True)
class Benchmark:
    """One figure that is measured.

    ``group`` is the word by which a person chooses it. ``key`` and ``baseline_key`` name the samples; without a
    baseline the figure is the value itself, in ``unit``. ``aim`` is the largest figure that is good enough.
    """

    name: str
    group: str
    key: str
    subject: str
    unit: str = "s"
    baseline_key: str = ""
    baseline: str = ""
    aim: float | None = None


@dataclass(frozen=True)
class Result:
    """What came of one benchmark."""

    benchmark: Benchmark
    subject: Series
    baseline: Series | None = None

    @property
    def figure(self) -> Series:
        """The ratios run by run (a run takes both sides one right after the other), or the values themselves."""
        if self.baseline is None:
            return self.subject
        return Series(ratios(self.subject.values, self.baseline.values))

    @property
    def unit(self) -> str:
        """The unit of the figure: ``×`` for a ratio."""
        return "×" if self.baseline else self.benchmark.unit

    @property
    def met(self) -> bool | None:
        """Whether the median figure reaches the aim; ``None`` without an aim."""
        return None if self.benchmark.aim is None else self.figure.median <= self.benchmark.aim


def ratios(subject: Sequence[float], baseline: Sequence[float]) -> tuple[float, ...]:
    """Each value by its partner. Raises ``ValueError`` where one has no partner."""
    return tuple(one / other for one, other in zip(subject, baseline, strict=True))


def results(benchmarks: Sequence[Benchmark], samples: Samples) -> Iterator[Result]:
    """The results of those benchmarks for which there are samples."""
    for benchmark in benchmarks:
        baseline = samples.get(benchmark.baseline_key, ())
        if samples.get(benchmark.key) and (baseline or not benchmark.baseline_key):
            yield Result(
                benchmark, Series(tuple(samples[benchmark.key])), Series(tuple(baseline)) if baseline else None
            )


SIZES = (10, 30, 100, 300, 1000)
"""Numbers of simulated hosts."""

FEW, MANY = 100, 1000
"""The sizes between which growth is measured: below, what is the same for any number of hosts counts for too much."""


def fan_out(size: int) -> Iterator[Benchmark]:
    """What is measured with so many simulated hosts."""
    looked, checked = f"observe {size}", f"verify {size}"
    asked = f"{size} hosts: log in, observe, ask a sample of the pairs, judge"
    yield Benchmark(f"fan-out {looked}", "fanout", looked, f"{size} hosts: log in, look at every engine and the swarm")
    yield Benchmark(f"fan-out {checked}", "fanout", checked, asked)
    yield Benchmark(f"fan-out {checked}, CPU", "fanout", f"{checked} cpu", "CPU of the operator's side of it")
    yield Benchmark(f"fan-out {checked}, memory", "fanout", f"{checked} memory", "the most resident memory", "MB")
    yield Benchmark(f"fan-out {checked}, threads", "fanout", f"{checked} threads", "the most threads", "threads")
    yield Benchmark(f"fan-out {size} logins", "fanout", f"{looked} logins", "logins by 32 at once", "per second")


def growth(what: str, measured: str, unit: str) -> Benchmark:
    """What one host costs among many against what it costs among few: 1 is linear."""
    key, few = f"{what} {MANY} {measured} per host", f"{what} {FEW} {measured} per host"
    subject, baseline = f"{measured} per host, {what} {MANY}", f"the same of {FEW} hosts"
    return Benchmark(f"growth of {what}, {measured}", "fanout", key, subject, unit, few, baseline, aim=1.5)


STEP = 3
"""By how many nodes at a time a cluster grows in the benchmark ``scale``."""

MOST = 60
"""The largest cluster that can be asked for."""


def phase(part: str, subject: str, by_hand: str) -> Benchmark:
    """One part of ``lab up`` against the same part of the path by hand."""
    return Benchmark(f"phase {part}", "phases", f"part {part}", subject, "s", f"hand {part}", by_hand)


def within(part: str, subject: str) -> Benchmark:
    """One part of ``lab up`` that has no partner by hand."""
    return Benchmark(f"phase {part}", "phases", f"part {part}", subject)


def peer(peer: str, by: str, job: float | None = None, probe: float | None = None) -> Iterator[Benchmark]:
    """The same job on nodes that run, against another tool: as a whole, its asking, and what one request costs."""
    whole = "`lab up` and `lab verify` on three resumed nodes"
    yield Benchmark(f"{peer}, whole job", peer, "lab job", whole, "s", f"{peer} job", by, job)
    asking = "`lab verify` as a whole"
    yield Benchmark(f"{peer}, asking", peer, "lab verify", asking, "s", f"{peer} verify", f"the asking by {by}")
    one = "one request, connections standing"
    yield Benchmark(f"{peer}, per probe", peer, "lab probe", one, "ms", f"{peer} probe", f"the same by {by}", probe)


def sized(size: int) -> Iterator[Benchmark]:
    """What is measured when the cluster has grown to so many nodes."""
    yield Benchmark(f"scale {size}, up", "scale", f"{size} nodes, each", "`lab up` for each node added")
    yield Benchmark(
        f"scale {size}, verify",
        "scale",
        f"{size} nodes verify",
        "`lab verify`, of the pairs that it chooses for so many",
    )
    yield Benchmark(f"scale {size}, memory", "scale", f"{size} nodes memory", "memory of each node (PSS)", "GB")


LABS = (
    "bridge",
    "host",
    "none",
    "overlay",
    "dns",
    "isolation",
    "encrypted",
    "ingress-single",
    "ingress-mesh",
    "udp",
    "host-publish",
    "scale",
    "rolling-update",
    "node-failure",
)
"""All labs, each after those on which it builds."""


def proved(lab: str) -> Iterator[Benchmark]:
    """What one lab takes on a cluster on which no other is up."""
    yield Benchmark(f"lab {lab}, up", "labs", f"{lab} up", f"`lab up {lab}` on a cluster that runs")
    yield Benchmark(f"lab {lab}, verify", "labs", f"{lab} verify", f"`lab verify {lab}`")
    yield Benchmark(f"lab {lab}, probes", "labs", f"{lab} probes", "ways and questions, each once or more", "probes")
    yield Benchmark(f"lab {lab}, results", "labs", f"{lab} results", "what was judged, and passed", "results")


def traffic(way: str, subject: str, base: str = "", baseline: str = "") -> Iterator[Benchmark]:
    """Throughput and latency of a way to a task, against another way."""
    for what, how, unit in (("throughput", "files of 1 MiB", "MB/s"), ("latency", "small requests", "ms")):
        key = f"{what} {base}" if base else ""
        yield Benchmark(f"{what}, {way}", "traffic", f"{what} {way}", f"{how}, {subject}", unit, key, baseline)


BENCHMARKS = (
    Benchmark(
        "resume",
        "resume",
        "resume",
        "3 new nodes resumed, until each engine answers GET /_ping",
        baseline_key="boot",
        baseline="the same 3 nodes booted from their disks",
        aim=0.35,
    ),
    Benchmark(
        "up",
        "up",
        "up",
        "`lab up` from nothing but a built image",
        baseline_key="shell",
        baseline="the same by hand: benchmarks/baseline.sh",
        aim=1.0,
    ),
    phase("resume", "three machines from nothing to their identities", "the same with QEMU and OpenSSH"),
    within("identity", "of that: what makes a clone a node of its own"),
    phase("init", "the swarm", "`docker swarm init` over SSH"),
    phase("joins", "two nodes joined and seen ready", "`docker swarm join` over SSH on both at once"),
    phase("network", "the network, while nodes join", "`docker network create` over SSH, alone"),
    phase("config", "the config, while nodes join", "`docker config create` over SSH, alone"),
    phase("service", "the service", "`docker service create` over SSH"),
    phase("answers", "tasks start, all is looked at again, every way answers", "until each node has had both replicas"),
    within("converge", "of that: until the manager sees both tasks run"),
    within("check", "of that: the second look"),
    Benchmark(
        "noop",
        "noop",
        "up again",
        "a second `lab up`, with nothing to change",
        baseline_key="up",
        baseline="the first `lab up`",
        aim=0.15,
    ),
    Benchmark(
        "verify",
        "verify",
        "probes",
        "240 probes, each answer parsed and recorded",
        baseline_key="bare loop",
        baseline="bare loop over the same SSH connections",
        aim=2.0,
    ),
    Benchmark(
        "verify command",
        "verify",
        "verify command",
        "`lab verify` as a whole: start, connect, observe, 240 probes and the operator's, judge",
        baseline_key="bare loop",
        baseline="bare loop over SSH connections that stand",
    ),
    Benchmark(
        "checks",
        "checks",
        "all checks",
        "`lab verify` of ingress-mesh, dns and isolation together, all of their checks",
        baseline_key="by hand",
        baseline="the same questions by `curl`, `docker exec` and so on, one by one over SSH: benchmarks/checks.sh",
        aim=0.1,
    ),
    Benchmark(
        "snapshot save",
        "snapshot",
        "save",
        "`lab snapshot save` of a running lab of 3 nodes",
        baseline_key="up before",
        baseline="`lab up` of the same lab",
        aim=0.25,
    ),
    Benchmark(
        "snapshot restore",
        "snapshot",
        "restore",
        "`lab restore`, until the mesh answers from every node (median of the restores of one snapshot)",
        baseline_key="up before",
        baseline="`lab up` of the same lab",
        aim=0.25,
    ),
    Benchmark(
        "snapshot from",
        "snapshot",
        "up from",
        "`lab up --from NAME` after `lab down`",
        baseline_key="up before",
        baseline="the first `lab up`",
        aim=0.25,
    ),
    Benchmark("snapshot each", "snapshot", "each restore", "every single `lab restore`; each was verified after it"),
    *peer("docker", "docker and curl over SSH"),
    *peer("ansible", "Ansible", job=0.2, probe=0.02),
    *traffic("host", "to a port past the mesh"),
    *traffic("entry is task node", "through the mesh, into the node of the task", "host", "past the mesh"),
    *traffic(
        "entry is another", "through the mesh, into another node", "entry is task node", "into the node of the task"
    ),
    *traffic("overlay", "from a task on another node", "host", "from node to node, past the mesh"),
    *traffic("encrypted", "the same, encrypted", "overlay", "not encrypted"),
    *(benchmark for size in range(STEP, MOST + 1) for benchmark in sized(size)),
    *(benchmark for lab in LABS for benchmark in proved(lab)),
    Benchmark("cli help", "cli", "help", "CPU of `lab --help`", aim=0.4),
    Benchmark("cli completion", "cli", "completion", "CPU of completing a command", aim=0.4),
    Benchmark("memory", "memory", "pss", "a lab of 3 nodes; shared pages counted once (PSS)", "GB", aim=3.5),
    Benchmark("memory, unshared", "memory", "rss", "the same; shared pages counted in each process (RSS)", "GB"),
    Benchmark("image", "image", "image", "`lab image build` in an empty cache, golden node included", aim=180.0),
    *(benchmark for size in SIZES for benchmark in fan_out(size)),
    growth("observe", "cpu", "ms"),
    growth("verify", "cpu", "ms"),
    growth("observe", "memory", "MB"),
    growth("verify", "memory", "MB"),
)

GROUPS = tuple(dict.fromkeys(benchmark.group for benchmark in BENCHMARKS))
"""The words by which benchmarks are chosen."""

ASKED_FOR = frozenset({"image", "ansible", "scale", "labs"})
"""The groups that run only when they are asked for: they download packages, or take all of the machine."""
