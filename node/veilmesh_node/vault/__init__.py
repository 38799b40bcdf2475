"""Templates at rest: encrypted, rotated, erasable.

`keyfile` opens the node's key with a passphrase; `database` is the one SQLite file, which the operation
journal shares; `rotation` makes stored templates unlinkable; `templates` puts the three together.
"""

from veilmesh_node.vault.database import Database
from veilmesh_node.vault.keyfile import NodeKey, create_key_file, open_key_file
from veilmesh_node.vault.templates import NewTemplate, OpenedPage, Recalled, StoredTemplate, TemplateVault

__all__ = [
    "Database",
    "NewTemplate",
    "NodeKey",
    "OpenedPage",
    "Recalled",
    "StoredTemplate",
    "TemplateVault",
    "create_key_file",
    "open_key_file",
]
