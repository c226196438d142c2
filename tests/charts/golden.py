"""What the chart makes of each of the ``ci`` files, short enough for a review: ``python -m tests.charts.golden`` writes it.

A fact is written once, with all that have it, so that a change which concerns many is a change of one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

from tests.charts.helm import CI, Object, containers, objects, pods

FOLDER = Path(__file__).with_name("golden")
RENEW = "python -m tests.charts.golden"
WIDTH = 130
Fact = tuple[str, str, str]
"""A section, what is so, and of whom."""


def facts(found: list[Object]) -> Iterator[Fact]:
    """All that is written down of some objects."""
    for one in found:
        name = short(one["metadata"]["name"])
        yield "objects", name, one["kind"]
        if one["kind"] == "NetworkPolicy":
            for way in ways(one["spec"]):
                yield "ways", way, name
        if bounds := bounds_of(one):
            yield "pods", bounds, f"{one['kind']} {name}"
        if one["kind"] == "Service":
            for port in one["spec"]["ports"]:
                yield "ports", f"{port['name']} {port['port']}", f"Service {name}"
    for where, spec in pods(found).items():
        for container in containers(spec):
            who = f"{short(where.rpartition('/')[2])}/{container['name']}"
            yield "images", container["image"], who
            for port in container.get("ports", []):
                yield "ports", f"{port['name']} {port['containerPort']}", who
            for entry in container.get("env", []):
                yield "env", entry["name"], who


def short(name: str) -> str:
    """A name without what all have."""
    return name.removeprefix("museum-").removeprefix("museum-search-")


def bounds_of(one: Object) -> str:
    """How many pods there are."""
    spec = one.get("spec", {})
    if one["kind"] == "ScaledObject":
        return f"{spec['minReplicaCount']} to {spec['maxReplicaCount']}, a look each {spec['pollingInterval']} s"
    return str(spec["replicas"]) if "replicas" in spec else ""


def ways(policy: Object) -> Iterator[str]:
    """Each way in and out of a NetworkPolicy; a direction that is closed too."""
    for kind, side in (("Ingress", "from"), ("Egress", "to")):
        if kind in policy["policyTypes"] and not policy.get(kind.lower()):
            yield f"{side} nobody"
        for rule in policy.get(kind.lower(), []):
            ports = ",".join(f"{port['port']}{port['protocol'].removeprefix('TCP').lower()}" for port in rule.get("ports", []))
            for peer in rule.get(side, [{}]):
                yield f"{side} {peer_of(peer)} :{ports or 'any'}"


def peer_of(peer: Object) -> str:
    """An address range, or labels of namespaces and pods."""
    if "ipBlock" in peer:
        block: dict[str, Any] = peer["ipBlock"]
        return str(block["cidr"]) + "".join(f" but {one}" for one in block.get("except", []))
    labels = {key: value for selector in peer.values() for key, value in selector.get("matchLabels", {}).items()}
    ours = labels.pop("app.kubernetes.io/component", "")
    if ours:
        return f"our {ours}"
    return json.dumps(labels, sort_keys=True) if labels else "anybody"


def summary(name: str) -> str:
    """The text of one of the ``ci`` files."""
    sections: dict[str, dict[str, set[str]]] = {}
    for section, what, who in facts(objects(name)):
        sections.setdefault(section, {}).setdefault(what, set()).add(who)
    lines = [f"{name}-values.yaml, renewed by {RENEW}"]
    for section, known in sorted(sections.items()):
        together: dict[tuple[str, ...], list[str]] = {}
        for what, whose in sorted(known.items()):
            together.setdefault(tuple(sorted(whose)), []).append(what)
        lines += ["", section]
        for whose, whats in sorted(together.items(), key=lambda item: item[1]):
            lines += block(" | ".join(whats), "  ") + block(", ".join(both_lanes(whose)), "      ")
    return "\n".join(lines) + "\n"


def both_lanes(names: Iterable[str]) -> list[str]:
    """``embed-*`` where a function is there in both lanes."""
    there = set(names)
    pairs = {name: name.replace("-bulk", "-interactive") for name in there if "-bulk" in name}
    whole = {one: other for one, other in pairs.items() if other in there}
    return sorted((there - whole.keys() - set(whole.values())) | {one.replace("-bulk", "-*") for one in whole})


def block(text: str, indent: str) -> list[str]:
    """Lines of a page's width."""
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def names() -> list[str]:
    """Of the ``ci`` files."""
    return [file.name.removesuffix("-values.yaml") for file in CI]


def main() -> None:
    """Write them all, and take away what has no values any more."""
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.txt"):
        if file.stem not in names():
            file.unlink()
    for name in names():
        (FOLDER / f"{name}.txt").write_text(summary(name))


if __name__ == "__main__":
    main()
