"""Templates in the vault: made ready, stored, compared, destroyed.

A template is rotated under a key of its reference and version, then sealed with AES-256-GCM under a data key
of its own, which is wrapped under the node's key; associated data binds both to reference, version and model.
With the template are sealed the salts of its commitments, and as notes its origin (rotated, too), from which
drift is measured, and the name that the organisation has for the person. Destroying the row destroys the data
key and the salts, and with them the meaning of everything that others hold.

A template is `pending` until the ledger has its commitment, then `active`; only an active one is compared.
What has changed in a transaction that came to nothing is noted in `changed` all the same: it is a reason to
look again, no more.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from veilmesh_chaincode.records import canonical

from veilmesh_node.domain.commitment import SALT_BYTES, commit_template, new_salt
from veilmesh_node.domain.renewal import Lineage
from veilmesh_node.domain.secret import NUMBER_BYTES, Features, Secret
from veilmesh_node.errors import ModelDiffersError, UnknownReferenceError, VaultIntegrityError
from veilmesh_node.vault.database import Database
from veilmesh_node.vault.encryption import seal, unseal
from veilmesh_node.vault.keyfile import KEY_BYTES, NodeKey
from veilmesh_node.vault.rotation import rotate, rotate_back

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template on its way into the vault, with the salts of all that is committed to about it."""

    reference_id: str
    version: int
    model_digest: str
    template: Features  # rotated
    origin: Features  # rotated
    label: str = field(repr=False)
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


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the vault knows of an active template, opened; features as the encoder gave them."""

    reference_id: str
    version: int
    model_digest: str
    lineage: Lineage
    label: str = field(repr=False)  # empty where none was given


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """Some templates of one model, opened together: `features` is (n, d), a row a reference."""

    references: Sequence[tuple[str, int]]  # and version
    features: "NDArray[np.float64]" = field(repr=False)
    damaged: Sequence[str]  # references whose templates were changed, and are not among them


class TemplateVault:
    def __init__(self, database: Database, key: NodeKey) -> None:
        self._database = database
        self._key = key
        self._wrapping = AESGCM(key.derive("wrapping").reveal())
        self.changed: set[str] = set()  # references, since somebody emptied it

    def prepare(
        self, lineage: Lineage, *, reference_id: str, version: int, model_digest: str, label: str = ""
    ) -> NewTemplate:
        """Rotate a template and commit to the result; nothing is stored yet."""
        key = self._rotation_key(reference_id, version)
        template = rotate(lineage.template, key)
        salt = new_salt()
        return NewTemplate(
            reference_id=reference_id,
            version=version,
            model_digest=model_digest,
            template=template,
            origin=rotate(lineage.origin, key),
            label=label,
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
        notes = new.origin.to_bytes() + new.label.encode()
        self._database.execute(
            "INSERT INTO templates VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)",
            (
                new.reference_id,
                new.version,
                new.model_digest,
                new.commitment,
                surrogate_cid,
                seal(self._wrapping, data_key, b"key" + bound),
                seal(AESGCM(data_key), content, b"template" + bound),
                receipt,
                seal(AESGCM(data_key), notes, b"notes" + bound),
            ),
        )

    def activate(self, reference_id: str, version: int) -> None:
        """Make this version the one that is compared, and destroy every other of the reference."""
        self.changed.add(reference_id)
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
        self.changed.add(reference_id)
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

    def recall(self, reference_id: str) -> Recalled | None:
        """Return a reference's active template; None where this vault holds none.

        Raises:
            VaultIntegrityError: the stored template was changed.
        """
        rows = self._database.rows(
            "SELECT * FROM templates WHERE reference_id = ? AND state = 'active'", (reference_id,)
        )
        if not rows:
            return None
        row = rows[0]
        _, template = self._open(row)
        origin, label = self._open_notes(row, template)
        key = self._rotation_key(reference_id, row["version"])
        turned = (Features(tuple(each.tolist())) for each in rotate_back([template, origin], [key, key]))
        return Recalled(reference_id, row["version"], row["model_digest"], Lineage(*turned), label)

    def page(self, model_digest: str, *, after: str, limit: int) -> list[Any]:
        """Return rows of active templates of one model for `open_page`, in order of reference, after one."""
        return self._database.rows(
            "SELECT * FROM templates WHERE model_digest = ? AND state = 'active' AND reference_id > ?"
            " ORDER BY reference_id LIMIT ?",
            (model_digest, after, limit),
        )

    def active(self, model_digest: str, reference_ids: Iterable[str]) -> list[Any]:
        """Return rows of these references' active templates of one model, for `open_page`."""
        rows: list[Any] = []
        for reference_id in reference_ids:
            rows += self._database.rows(
                "SELECT * FROM templates WHERE model_digest = ? AND state = 'active' AND reference_id = ?",
                (model_digest, reference_id),
            )
        return rows

    def active_count(self) -> int:
        """Number of references with an active template, of whatever model."""
        (row,) = self._database.rows("SELECT count(*) AS n FROM templates WHERE state = 'active'")
        return int(row["n"])

    def label(self, reference_id: str) -> str:
        """Return the name that was given to a reference; empty where there is none, or no such reference.

        Raises:
            VaultIntegrityError: the stored template was changed.
        """
        query = "SELECT * FROM templates WHERE reference_id = ? AND state = 'active'"
        for row in self._database.rows(query, (reference_id,)):
            _, template = self._open(row)
            _, label = self._open_notes(row, template)
            return label
        return ""

    def open_page(self, rows: Sequence[Any]) -> OpenedPage:
        """Open rows of `page` together; touches no database, so any thread may do it."""
        references, templates, keys, damaged = [], [], [], []
        for row in rows:
            reference_id, version = row["reference_id"], row["version"]
            try:
                _, template = self._open(row)
            except VaultIntegrityError:
                damaged.append(reference_id)
                continue
            references.append((reference_id, version))
            templates.append(template)
            keys.append(self._rotation_key(reference_id, version))
        return OpenedPage(references, rotate_back(templates, keys), damaged)

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
        content = self._unseal(row, "sealed", b"template")
        salts, template = content[: 2 * SALT_BYTES], content[2 * SALT_BYTES :]
        return Secret(salts[:SALT_BYTES]), Features.from_bytes(template)

    def _open_notes(self, row: Any, template: Features) -> tuple[Features, str]:
        """Return the rotated origin and the label; those of a row without notes are the template and none."""
        if not row["sealed_notes"]:
            return template, ""
        notes = self._unseal(row, "sealed_notes", b"notes")
        size = NUMBER_BYTES * len(template)
        return Features.from_bytes(notes[:size]), notes[size:].decode()

    def _unseal(self, row: Any, column: str, what: bytes) -> bytes:
        bound = _associated_data(row["reference_id"], row["version"], row["model_digest"])
        try:
            data_key = unseal(self._wrapping, row["wrapped_key"], b"key" + bound)
            return unseal(AESGCM(data_key), row[column], what + bound)
        except InvalidTag as err:
            raise VaultIntegrityError(f"template of reference {row['reference_id']} was changed") from err

    def _rotation_key(self, reference_id: str, version: int) -> Secret:
        return self._key.derive(f"rotation/{reference_id}/{version}")


def _associated_data(reference_id: str, version: int, model_digest: str) -> bytes:
    return canonical.dumps({"model_digest": model_digest, "reference_id": reference_id, "version": version})
