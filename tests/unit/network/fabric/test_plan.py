"""The port plan: every port once, all from the first."""

import pytest
from veilmesh_network.errors import AddressInUseError, NetworkError
from veilmesh_network.fabric import plan
from veilmesh_network.fabric.plan import Orderers, PortPlan


def _members(count: int) -> dict[int, str]:
    return {number: f"Org{number}MSP" for number in range(1, count + 1)}


def test_no_port_has_two_purposes() -> None:
    ports = [port for port, _ in PortPlan(7050).uses(Orderers.BFT.size, _members(100))]
    assert len(set(ports)) == len(ports) == 4 * 3 + 100 * 5
    assert min(ports) == 7050
    assert max(ports) < 7050 + PortPlan.span(100)


def test_a_member_keeps_its_ports_whoever_orders_or_leaves() -> None:
    ports = PortPlan(7050)
    assert ports.orderer(1).service == 7050
    assert ports.member(1).peer == 7090
    assert ports.member(3).peer == 7110
    alone = dict(ports.uses(1, {3: "Org3MSP"}))
    assert alone[7110] == "the peer of Org3MSP"
    assert 7090 not in alone


def test_a_plan_beyond_the_highest_port() -> None:
    with pytest.raises(NetworkError, match="beyond 65535: choose a lower --port"):
        PortPlan(65_500).require_free(1, {1: "Org1MSP"})


def test_a_taken_port_is_named_with_its_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "is_free", lambda port: port != 7092)
    with pytest.raises(
        AddressInUseError, match=r"^port 7092 of 127.0.0.1, for the operations service of the"
    ):
        PortPlan(7050).require_free(1, _members(1))
    PortPlan(7100).require_free(1, _members(1))
