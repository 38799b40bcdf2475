"""An orderer's administration: which channels it orders, over HTTPS with mutual TLS.

Source: Fabric `swagger/swagger-fabric.json`, the channel participation API.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

from veilmesh_network.errors import BringUpError
from veilmesh_network.loopback import HOST
from veilmesh_network.organisation import TlsFiles

_CHANNELS = "/participation/v1/channels"
_BOUNDARY = "----veilmesh-config-block"
_ANSWER_TIMEOUT_S = 5.0
_JOIN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    status: str  # "active", "onboarding", "inactive" or "failed"
    height: int  # how many blocks the orderer has


@dataclass(frozen=True, slots=True)
class OrdererAdmin:
    """The administration of one orderer. Its calls block."""

    port: int
    tls: TlsFiles  # of an admin of the ordering organisation

    def channel(self, name: str) -> ChannelStatus | None:
        """Return how a channel stands, None where the orderer has not joined it.

        Raises:
            OSError: it does not listen, or not yet.
            BringUpError: it answers something else.
        """
        code, answer = self._ask("GET", f"{_CHANNELS}/{name}")
        if code == http.client.NOT_FOUND:
            return None
        if code != http.client.OK:
            raise BringUpError(f"the orderer answered {code} when asked for channel {name}: {_error(answer)}")
        about = json.loads(answer)
        return ChannelStatus(about["status"], about["height"])

    def join(self, block: Path) -> None:
        """Have the orderer join the channel that begins with `block`.

        Raises:
            OSError: it does not listen.
            BringUpError: it refuses.
        """
        head = (
            f"--{_BOUNDARY}\r\n"
            'Content-Disposition: form-data; name="config-block"; filename="config.block"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + block.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
        code, answer = self._ask("POST", _CHANNELS, body)
        if code != http.client.CREATED:
            raise BringUpError(f"the orderer did not join the channel: {_error(answer)} (status {code})")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self.tls.root))
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        timeout_s = _ANSWER_TIMEOUT_S if body is None else _JOIN_TIMEOUT_S
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=timeout_s, context=context)
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"} if body else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as err:
            raise BringUpError(f"the orderer's administration does not speak HTTP: {err!r}") from err
        finally:
            connection.close()


def _error(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace")[:200]
