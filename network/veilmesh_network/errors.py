"""What can go wrong while a network is made, brought up or run.

NetworkError
├── AddressInUseError       the port is taken
├── LedgerNotReadyError     the ledger process ended, or did not answer in time; carries what it said
└── StorageError            the ledger cannot write, or holds what it did not write
"""


class NetworkError(Exception):
    """A network cannot be made, found or brought up."""


class AddressInUseError(NetworkError):
    """The address asked for belongs to another process."""


class LedgerNotReadyError(NetworkError):
    """The ledger process ended, or was not ready in time."""


class StorageError(NetworkError):
    """The ledger's storage refused a write or holds what does not fit together."""
