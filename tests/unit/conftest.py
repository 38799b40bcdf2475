"""Unit tests open no socket: neither Python's nor gRPC's."""

import socket
from typing import Any, NoReturn

import grpc
import grpc.aio
import pytest


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> NoReturn:
        raise AssertionError("a unit test opened a socket; it belongs to tests/integration")

    for method in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, method, refuse)
    for module in (grpc, grpc.aio):
        for name in ("server", "secure_channel", "insecure_channel"):
            monkeypatch.setattr(module, name, refuse)
