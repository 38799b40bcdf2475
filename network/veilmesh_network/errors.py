"""What can go wrong while a network is made, brought up or run.

NetworkError
├── AddressInUseError       the port is taken
├── BinariesError           Fabric's binaries are missing, or of a release that is not supported
├── BringUpError            a step of bringing a Fabric network up failed; says which, and what was logged
├── CredentialsError        a certificate or key that a process needs has expired, or is not the right one
├── LedgerNotReadyError     the ledger process ended, or did not answer in time; carries what it said
└── StorageError            the ledger cannot write, or holds what it did not write
"""


class NetworkError(Exception):
    """A network cannot be made, found or brought up."""


class AddressInUseError(NetworkError):
    """The address asked for belongs to another process."""


class BinariesError(NetworkError):
    """Fabric's `peer` or `orderer` is missing, or of a release that is not supported."""


class BringUpError(NetworkError):
    """A step on the way to a running Fabric network failed."""


class CredentialsError(NetworkError):
    """A certificate or key of a network's process cannot be used; says which, and why."""


class LedgerNotReadyError(NetworkError):
    """The ledger process ended, or was not ready in time."""


class StorageError(NetworkError):
    """The ledger's storage refused a write or holds what does not fit together."""
