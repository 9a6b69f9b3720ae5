"""What each mask means, for the people who read an explanation."""

from __future__ import annotations

from collections.abc import Mapping

# For operators: which hosts the mask keeps.
MEANINGS: Mapping[str, str] = {
    "excluded": "not among those left out on request",
    "state": "active, and answering",
    "pod": "in an open pod, and in the one asked for",
    "location": "in a pod of the location asked for",
    "kind": "able to run the plan's kind",
    "traits": "with every trait that the plan requires, and none that it forbids",
    "image": "with every trait that the image requires",
    "preemptible": "lending idle room now",
    "cpu": "with enough processor left",
    "memory": "with enough memory left",
    "disk": "with enough disk left",
    "spread": "where the group has a place left",
    "near": "of the group to be near to",
    "exclusive": "everybody's, or the account's own",
    "n_plus_one": "in a pod that could still lose any one host afterwards",
}
# For everybody, without a host's name: why hosts are left out.
REASONS: Mapping[str, str] = {
    "excluded": "left out on request",
    "state": "not taking guests",
    "pod": "in other or closed pods",
    "location": "in other locations",
    "kind": "for other kinds",
    "traits": "without what the plan needs",
    "image": "without what the image needs",
    "preemptible": "not lending idle room now",
    "cpu": "short of processors",
    "memory": "short of memory",
    "disk": "short of disk",
    "spread": "already used by the group",
    "near": "not near the group",
    "exclusive": "kept for other accounts",
    "n_plus_one": "needed in case another host is lost",
}
