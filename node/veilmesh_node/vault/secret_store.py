"""The node's own named secrets, such as its sealing key, wrapped under the node's key."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import VaultIntegrityError
from veilmesh_node.vault.database import Database
from veilmesh_node.vault.encryption import seal, unseal
from veilmesh_node.vault.keyfile import NodeKey


class SecretStore:
    def __init__(self, database: Database, key: NodeKey) -> None:
        self._database = database
        self._cipher = AESGCM(key.derive("secrets").reveal())

    def put(self, name: str, value: Secret) -> None:
        """Store a secret under a new name; an existing one is replaced."""
        sealed = seal(self._cipher, value.reveal(), name.encode())
        self._database.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (name, sealed))

    def get(self, name: str) -> Secret:
        """Return a secret.

        Raises:
            VaultIntegrityError: there is none of that name, or it was changed.
        """
        rows = self._database.rows("SELECT sealed FROM secrets WHERE name = ?", (name,))
        if not rows:
            raise VaultIntegrityError(f"the vault holds no secret {name!r}")
        try:
            return Secret(unseal(self._cipher, rows[0]["sealed"], name.encode()))
        except InvalidTag as err:
            raise VaultIntegrityError(f"secret {name!r} was changed") from err
