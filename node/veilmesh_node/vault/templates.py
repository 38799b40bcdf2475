"""Templates in the vault: made ready, stored, compared, destroyed.

A template is rotated under a key of its reference and version, then sealed with AES-256-GCM under a data
key of its own, which is wrapped under the node's key; associated data binds both to reference, version and
model. With the template are sealed the salts of its commitments. Destroying the row destroys the data key
and the salts, and with them the meaning of everything that others hold.

A template is `pending` until the ledger has its commitment, then `active`; only an active one is compared.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from veilmesh_chaincode.records import canonical

from veilmesh_node.domain.commitment import SALT_BYTES, commit_template, new_salt
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.errors import ModelDiffersError, UnknownReferenceError, VaultIntegrityError
from veilmesh_node.vault.database import Database
from veilmesh_node.vault.encryption import seal, unseal
from veilmesh_node.vault.keyfile import KEY_BYTES, NodeKey
from veilmesh_node.vault.rotation import rotate


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template on its way into the vault, with the salts of all that is committed to about it."""

    reference_id: str
    version: int
    model_digest: str
    template: Features  # rotated
    salt: Secret  # of the template's and the consent's commitments
    input_salt: Secret  # of the receipt's commitment to the photo
    commitment: str


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """What the vault tells about a template without opening it."""

    reference_id: str
    version: int
    active: bool
    model_digest: str
    commitment: str
    surrogate_cid: str


class TemplateVault:
    def __init__(self, database: Database, key: NodeKey) -> None:
        self._database = database
        self._key = key
        self._wrapping = AESGCM(key.derive("wrapping").reveal())

    def prepare(
        self, features: Features, *, reference_id: str, version: int, model_digest: str
    ) -> NewTemplate:
        """Rotate `features` and commit to the result; nothing is stored yet."""
        template = rotate(features, self._rotation_key(reference_id, version))
        salt = new_salt()
        return NewTemplate(
            reference_id=reference_id,
            version=version,
            model_digest=model_digest,
            template=template,
            salt=salt,
            input_salt=new_salt(),
            commitment=commit_template(
                salt, reference_id=reference_id, version=version, model_digest=model_digest, template=template
            ),
        )

    def store(self, new: NewTemplate, *, surrogate_cid: str, receipt: bytes) -> None:
        """Seal and store a template as pending; `receipt` is the signed privacy receipt of its surrogate."""
        bound = _associated_data(new.reference_id, new.version, new.model_digest)
        data_key = secrets.token_bytes(KEY_BYTES)
        content = new.salt.reveal() + new.input_salt.reveal() + new.template.to_bytes()
        self._database.execute(
            "INSERT INTO templates VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?)",
            (
                new.reference_id,
                new.version,
                new.model_digest,
                new.commitment,
                surrogate_cid,
                seal(self._wrapping, data_key, b"key" + bound),
                seal(AESGCM(data_key), content, b"template" + bound),
                receipt,
            ),
        )

    def activate(self, reference_id: str, version: int) -> None:
        """Make this version the one that is compared, and destroy every other of the reference."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE templates SET state = 'active' WHERE reference_id = ? AND version = ?",
                (reference_id, version),
            )
            self._database.execute(
                "DELETE FROM templates WHERE reference_id = ? AND version != ?", (reference_id, version)
            )

    def destroy(self, reference_id: str, version: int | None = None) -> None:
        """Destroy a reference's templates, or one version; none is fine. Call `scrub` after the commit."""
        if version is None:
            self._database.execute("DELETE FROM templates WHERE reference_id = ?", (reference_id,))
        else:
            self._database.execute(
                "DELETE FROM templates WHERE reference_id = ? AND version = ?", (reference_id, version)
            )

    def scrub(self) -> None:
        """Leave no copy of what was destroyed in the database's log."""
        self._database.scrub()

    def compare(self, reference_id: str, *, version: int, model_digest: str, probe: Features) -> float:
        """Return the dissimilarity between `probe` (as the encoder gave it) and the active template.

        Raises:
            UnknownReferenceError: no active template of that version.
            ModelDiffersError: the template is of another model.
            VaultIntegrityError: the stored template was changed.
        """
        row = self._row(reference_id, version)
        if row["model_digest"] != model_digest:
            raise ModelDiffersError(f"reference {reference_id} is of model {row['model_digest']}")
        _, template = self._open(row)
        if len(probe) != len(template):
            raise ModelDiffersError(f"the model of reference {reference_id} gives {len(template)} numbers")
        return template.dissimilarity(rotate(probe, self._rotation_key(reference_id, version)))

    def recommit(self, reference_id: str, version: int) -> str:
        """Open the active template and commit to it anew: equal to the ledger's where all is well.

        Raises:
            UnknownReferenceError: no active template of that version.
            VaultIntegrityError: the stored template was changed.
        """
        row = self._row(reference_id, version)
        salt, template = self._open(row)
        return commit_template(
            salt,
            reference_id=reference_id,
            version=version,
            model_digest=row["model_digest"],
            template=template,
        )

    def attach_receipt(self, reference_id: str, version: int, receipt: bytes) -> None:
        """Replace the stored receipt by one with its inclusion proof."""
        self._database.execute(
            "UPDATE templates SET receipt = ? WHERE reference_id = ? AND version = ?",
            (receipt, reference_id, version),
        )

    def receipt(self, reference_id: str, version: int) -> bytes:
        """Return the signed privacy receipt of a template's surrogate; empty where there is none."""
        rows = self._database.rows(
            "SELECT receipt FROM templates WHERE reference_id = ? AND version = ?", (reference_id, version)
        )
        return bytes(rows[0]["receipt"]) if rows else b""

    def stored(self) -> Iterator[StoredTemplate]:
        """All templates in order of reference, unopened."""
        query = (
            "SELECT reference_id, version, state, model_digest, commitment, surrogate_cid FROM templates"
            " ORDER BY reference_id, version"
        )
        for row in self._database.rows(query):
            yield StoredTemplate(
                reference_id=row["reference_id"],
                version=row["version"],
                active=row["state"] == "active",
                model_digest=row["model_digest"],
                commitment=row["commitment"],
                surrogate_cid=row["surrogate_cid"],
            )

    def surrogates(self, reference_id: str) -> list[str]:
        """The content ids of a reference's surrogates; none where the vault does not hold it."""
        query = "SELECT surrogate_cid FROM templates WHERE reference_id = ? ORDER BY version"
        return [row["surrogate_cid"] for row in self._database.rows(query, (reference_id,))]

    def uses_content(self, cid: str, *, besides: tuple[str, int]) -> bool:
        """Whether any template, pending or active, has this surrogate, but for one reference's version."""
        query = (
            "SELECT 1 FROM templates WHERE surrogate_cid = ? AND (reference_id, version) != (?, ?) LIMIT 1"
        )
        return bool(self._database.rows(query, (cid, *besides)))

    def _row(self, reference_id: str, version: int) -> Any:
        rows = self._database.rows(
            "SELECT * FROM templates WHERE reference_id = ? AND version = ? AND state = 'active'",
            (reference_id, version),
        )
        if not rows:
            raise UnknownReferenceError(reference_id)
        return rows[0]

    def _open(self, row: Any) -> tuple[Secret, Features]:
        """Return the salt of a row's commitments, and its rotated template."""
        bound = _associated_data(row["reference_id"], row["version"], row["model_digest"])
        try:
            data_key = unseal(self._wrapping, row["wrapped_key"], b"key" + bound)
            content = unseal(AESGCM(data_key), row["sealed"], b"template" + bound)
        except InvalidTag as err:
            raise VaultIntegrityError(f"template of reference {row['reference_id']} was changed") from err
        salts, template = content[: 2 * SALT_BYTES], content[2 * SALT_BYTES :]
        return Secret(salts[:SALT_BYTES]), Features.from_bytes(template)

    def _rotation_key(self, reference_id: str, version: int) -> Secret:
        return self._key.derive(f"rotation/{reference_id}/{version}")


def _associated_data(reference_id: str, version: int, model_digest: str) -> bytes:
    return canonical.dumps({"model_digest": model_digest, "reference_id": reference_id, "version": version})
