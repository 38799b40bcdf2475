"""What can go wrong in the chaincode service.

ShimError
├── SettingsError       the service cannot start as it is configured
├── PeerRefusedError    the peer answered a request with ERROR: it could not, or the contract may not
├── OversizedError      a message that no peer would take
└── StreamEndedError    the peer's stream is over, and with it the transaction

All but the first end one transaction, and the caller is told no more than that.
"""


class ShimError(Exception):
    """Base of everything this package raises."""


class SettingsError(ShimError):
    """The service cannot start as it is configured; says which setting."""


class PeerRefusedError(ShimError):
    """The peer answered ERROR. Its words are for the log: they may hold keys and paths."""


class OversizedError(ShimError):
    """A message that no peer would take. Sent all the same, it would end the stream for everybody."""


class StreamEndedError(ShimError):
    """The peer's stream is over: there is nobody to ask."""
