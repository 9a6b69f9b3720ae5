"""Names and addresses, without a machine."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.plan import candidates, first_free, parse_subnet, plan

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
SUBNETS = st.integers(8, 25).flatmap(lambda bits: st.sampled_from([IPv4Network((0x0A000000, bits))]))


def test_the_plan_of_a_pod() -> None:
    pod = plan("demo", IPv4Network("10.77.4.0/22"), 2)
    assert pod.guests == IPv4Network("10.77.4.0/23")
    assert pod.management == IPv4Network("10.77.6.0/23")
    assert pod.gateway == IPv4Address("10.77.4.1")
    assert pod.management_gateway == IPv4Address("10.77.6.1")
    assert [h.address for h in pod.hosts] == [IPv4Address("10.77.6.11"), IPv4Address("10.77.6.12")]
    assert pod.guest_pool == (IPv4Address("10.77.4.16"), IPv4Address("10.77.5.254"))
    assert pod.links == ("mcp-demo-m1", "mcp-demo-g1", "mcp-demo-m2", "mcp-demo-g2", "mcp-demo", "mcp-demo-m")


@given(name=NAMES, subnet=SUBNETS, hosts=st.integers(1, 5))
def test_names_fit_and_addresses_lie_where_they_belong(name: str, subnet: IPv4Network, hosts: int) -> None:
    pod = plan(name, subnet, hosts)
    assert all(len(link) <= 15 for link in pod.links)
    assert len(set(pod.links)) == len(pod.links)
    assert all(h.address in pod.management and h.address not in pod.guests for h in pod.hosts)
    assert all(address in pod.guests for address in (pod.gateway, *pod.guest_pool))
    assert not pod.management.overlaps(pod.guests)


@given(one=NAMES, other=NAMES)
def test_two_pods_never_share_an_interface_name(one: str, other: str) -> None:
    subnet = IPv4Network("10.77.0.0/22")
    shared = set(plan(one, subnet, 5).links) & set(plan(other, subnet, 5).links)
    assert not shared or one == other


@pytest.mark.parametrize("name", ["", "Demo", "1st", "much-too-long", "a b", "ninechars", "a/b", "é"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="1 to 8 characters"):
        plan(name, IPv4Network("10.77.0.0/22"), 2)


@pytest.mark.parametrize("hosts", [0, 6, -1])
def test_bad_numbers_of_hosts_are_refused(hosts: int) -> None:
    with pytest.raises(LabError, match="1 to 5 hosts"):
        plan("demo", IPv4Network("10.77.0.0/22"), hosts)


def test_a_small_subnet_is_refused() -> None:
    with pytest.raises(LabError, match="too small"):
        plan("demo", IPv4Network("10.77.0.0/26"), 2)


@pytest.mark.parametrize("text", ["", "10.77.0.1/22", "10.77/22", "fd00::/64", "10.77.0.0/40"])
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="--subnet"):
        parse_subnet(text)


def test_the_first_free_subnet_overlaps_nothing() -> None:
    taken = [IPv4Network("10.77.0.0/22"), IPv4Network("10.77.5.0/24")]
    assert first_free([]) == IPv4Network("10.77.0.0/22")
    assert first_free(taken) == IPv4Network("10.77.8.0/22")


def test_no_free_subnet_is_said() -> None:
    with pytest.raises(LabError, match="is in use"):
        first_free(candidates())
