"""A what-if question in people's words, and the scenario that it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from mcp.errors import FieldError, InvalidInput
from pods.models import Host, Pod
from pods.placement.room import Offer
from pods.placement.stage import More, Scenario
from pods.states import HostDuty

MOST_NAMED = 500
MOST_ADDED = 10_000
MOST_MORE = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """Names, not rows; hosts by name, POD/NAME, address or id. The fields' names are those of the API's parameters.

    `headroom` names pods of which to tell N+1; without any it is told of the pods whose hosts change.
    """

    lose_host: Sequence[str] = ()
    lose_pod: Sequence[str] = ()
    drain: Sequence[str] = ()
    add_hosts: int = 0
    like: str = ""
    plan: str = ""
    count: int = 0
    pod: str = ""
    location: str = ""
    headroom: Sequence[str] = ()

    @property
    def changes(self) -> bool:
        """Whether anything is supposed at all."""
        return bool(self.lose_host or self.lose_pod or self.drain or self.add_hosts or self.plan)


def scenario_of(question: Question, offers: Sequence[Offer]) -> Scenario:
    """What is meant. Three queries at most. Raises InvalidInput with one error a field that needs changing."""
    reading = _Reading(question)
    hosts = {
        field: reading.hosts(field, names)
        for field, names in (("lose_host", question.lose_host), ("drain", question.drain), ("like", _one(question.like)))
    }
    pods = {field: reading.pods(field, names) for field, names in (("lose_pod", question.lose_pod), ("pod", _one(question.pod)))}
    headroom = reading.pods("headroom", question.headroom)
    reading.numbers()
    offer = reading.offer(offers)
    reading.location()
    reading.contradictions(hosts, headroom)
    reading.complain()
    return Scenario(
        lose_hosts=frozenset(str(host.pk) for host in hosts["lose_host"]),
        lose_pods=frozenset(pods["lose_pod"]),
        drain_hosts=frozenset(str(host.pk) for host in hosts["drain"]),
        add_hosts=question.add_hosts,
        like=str(hosts["like"][0].pk) if hosts["like"] else "",
        more=More(offer, question.count, question.pod or None, question.location or None) if offer else None,
        headroom=tuple(headroom or _touched(hosts, pods)),
    )


def _one(name: str) -> Sequence[str]:
    return [name] if name else []


def _touched(hosts: dict[str, list[Host]], pods: dict[str, list[str]]) -> list[str]:
    """The pods of hosts lost, drained or added, and the one asked for; those lost whole have no N+1 any more."""
    slugs = {host.pod.slug for found in hosts.values() for host in found} | set(pods["pod"])
    return sorted(slugs - set(pods["lose_pod"]))


class _Reading:
    """Reads a question's words and gathers what is wrong with them."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._faults: list[FieldError] = []
        names = [*question.lose_host, *question.drain, *_one(question.like)]
        self._hosts = _hosts_named(names) if len(names) <= MOST_NAMED else []
        if len(names) > MOST_NAMED:
            self._fault("lose_host" if question.lose_host else "drain", "too_many", f"at most {MOST_NAMED} hosts at once.")
        self._pods = dict(Pod.objects.values_list("slug", "location"))

    def _fault(self, field: str, code: str, message: str) -> None:
        self._faults.append(FieldError(field, code, message))

    def complain(self) -> None:
        """Raises InvalidInput if anything was wrong."""
        if self._faults:
            raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in self._faults), errors=self._faults)

    def hosts(self, field: str, names: Iterable[str]) -> list[Host]:
        """The host of each name."""
        return [host for name in names if (host := self._host(field, name)) is not None]

    def _host(self, field: str, name: str) -> Host | None:
        pod, _, short = name.rpartition("/")
        found = [h for h in self._hosts if short in (h.name, h.address, str(h.pk)) and pod in ("", h.pod.slug)]
        if len(found) == 1:
            return found[0]
        if found:
            those = ", ".join(f"{host.pod.slug}/{host.name}" for host in found[:5])
            self._fault(field, "ambiguous", f"several hosts are called {name[:80]!r}: {those}; say which.")
        else:
            self._fault(field, "unknown", f"there is no host {name[:80]!r}; `./manage.py host list` shows them.")
        return None

    def pods(self, field: str, slugs: Iterable[str]) -> list[str]:
        """The slugs, each known."""
        slugs = list(dict.fromkeys(slugs))
        for slug in slugs:
            if slug not in self._pods:
                there = ", ".join(sorted(self._pods)[:20]) or "none yet"
                self._fault(field, "unknown", f"there is no pod {slug[:60]!r}; there are: {there}.")
        return [slug for slug in slugs if slug in self._pods]

    def numbers(self) -> None:
        """How many hosts and guests more."""
        asked = self.question
        if not 0 <= asked.add_hosts <= MOST_ADDED:
            self._fault("add_hosts", "out_of_range", f"say 1 to {MOST_ADDED}, or leave it out.")
        if asked.add_hosts and not asked.like:
            self._fault("like", "required", "say which host the new ones are like.")
        if asked.like and not asked.add_hosts:
            self._fault("add_hosts", "required", "say how many hosts to add.")
        if asked.plan and not 1 <= asked.count <= MOST_MORE:
            self._fault("count", "out_of_range", f"say how many of the plan: 1 to {MOST_MORE}.")
        for field in ("count", "pod", "location"):
            if getattr(asked, field) and not asked.plan:
                self._fault("plan", "required", f"say of which plan; {field} is about it.")
                break

    def offer(self, offers: Sequence[Offer]) -> Offer | None:
        """The plan asked for."""
        wanted = self.question.plan
        found = next((offer for offer in offers if offer.name == wanted), None)
        if wanted and found is None:
            names = ", ".join(offer.name for offer in offers[:30]) or "none yet"
            self._fault("plan", "unknown", f"there is no plan {wanted[:80]!r}; choose one of {names}.")
        return found

    def location(self) -> None:
        """Where the plan's guests are to go."""
        wanted = self.question.location
        if wanted and wanted not in self._pods.values():
            there = ", ".join(sorted({place for place in self._pods.values() if place})[:20]) or "none"
            self._fault("location", "unknown", f"no pod is at {wanted[:80]!r}; there are: {there}.")

    def contradictions(self, hosts: dict[str, list[Host]], headroom: Sequence[str]) -> None:
        """What cannot be supposed at once."""
        lost = set(self.question.lose_pod)
        both = {host.pk for host in hosts["lose_host"]} & {host.pk for host in hosts["drain"]}
        if both:
            self._fault("drain", "contradicts", "a host is lost or drained, not both.")
        if any(host.pod.slug in lost for host in hosts["like"]):
            self._fault("like", "contradicts", "its pod is lost in the same question, so hosts cannot be added there.")
        if lost & {*headroom, self.question.pod}:
            self._fault("headroom" if lost & set(headroom) else "pod", "contradicts", "that pod is lost in the same question.")


def _hosts_named(names: Sequence[str]) -> list[Host]:
    """All that any of the names may mean. One query, none for no name."""
    if not names:
        return []
    short = {name.rpartition("/")[2] for name in names}
    match = Q(name__in=short) | Q(address__in=short) | Q(pk__in=[key for name in short if (key := _id(name)) is not None])
    return list(Host.objects.filter(match).exclude(duty=HostDuty.RETIRED).select_related("pod").order_by("pod__slug", "name"))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
