"""Rows of free ports."""

import pytest
from veilmesh_network import loopback
from veilmesh_network.errors import AddressInUseError
from veilmesh_network.loopback import free_port, free_ports


def test_the_first_row_without_a_taken_port_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "is_free", lambda port: port not in {109, 110})
    assert free_ports(10, [100, 110, 120, 130]) == 120


def test_there_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "is_free", lambda _: False)
    with pytest.raises(AddressInUseError, match="no 80 ports in a row are free"):
        free_ports(80)


def test_a_port_is_given_once_and_is_none_of_outgoing_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "is_free", lambda _: True)
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    assert max(ports) < 32_768
