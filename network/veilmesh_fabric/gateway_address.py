"""Where a gateway is, as people write it: "host:port", or "host:port as NAME-IN-ITS-CERTIFICATE"."""

import re
from dataclasses import dataclass
from typing import Self

_ADDRESS = re.compile(
    r"(?P<address>[A-Za-z0-9.:\[\]_-]{1,255}:[0-9]{1,5})( as (?P<name>[A-Za-z0-9.:_-]{1,253}))?"
)


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where a gateway listens, and the name in its TLS certificate where that is another."""

    address: str  # host:port
    server_name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "host:port", or "host:port as NAME".

        Raises:
            ValueError: it is neither.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError(f'{text!r} is neither "host:port" nor "host:port as NAME-IN-ITS-CERTIFICATE"')
        return cls(found["address"], found["name"])

    def __str__(self) -> str:
        return self.address if self.server_name is None else f"{self.address} as {self.server_name}"
