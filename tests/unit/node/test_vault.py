"""The vault: sealed, bound, rotated, erased; one process at a time; nobody else on the machine reads it."""

import math
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_node.domain.commitment import commit_template
from veilmesh_node.domain.renewal import Lineage, begin
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.errors import (
    HomeError,
    ModelDiffersError,
    StorageFullError,
    UnknownReferenceError,
    VaultError,
    VaultIntegrityError,
    VaultInUseError,
    WrongPassphraseError,
)
from veilmesh_node.vault import Database, NodeKey, TemplateVault, create_key_file, open_key_file, rotation
from veilmesh_node.vault.rotation import rotate, rotate_back
from veilmesh_node.vault.secret_store import SecretStore

KEY = NodeKey(Secret(bytes(range(32))))
MODEL = "d" * 64
REFERENCE = "ab" * 16
FAST_SCRYPT_N = 2**4


def features(seed: float) -> Features:
    return Features(tuple(math.sin(seed * (index + 1)) * 0.1 for index in range(128)))


def vault_with_template(
    database: Database, *, reference_id: str = REFERENCE, version: int = 1
) -> TemplateVault:
    vault = TemplateVault(database, KEY)
    new = vault.prepare(begin(features(1.0)), reference_id=reference_id, version=version, model_digest=MODEL)
    vault.store(new, surrogate_cid="bcid", receipt=b"{}")
    vault.activate(reference_id, version)
    return vault


def test_key_file_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    key = create_key_file(path, Secret(b"open sesame"), scrypt_n=FAST_SCRYPT_N)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = open_key_file(path, Secret(b"open sesame"))
    assert again.derive("x").reveal() == key.derive("x").reveal()
    assert again.derive("x").reveal() != key.derive("y").reveal()
    with pytest.raises(WrongPassphraseError):
        open_key_file(path, Secret(b"open sesame "))


def test_changed_key_file_looks_like_a_wrong_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    create_key_file(path, Secret(b"open sesame"), scrypt_n=FAST_SCRYPT_N)
    path.write_text(path.read_text().replace('"n": 16', '"n": 32'))
    with pytest.raises(WrongPassphraseError) as caught:
        open_key_file(path, Secret(b"open sesame"))
    assert str(caught.value) == str(WrongPassphraseError())


def test_key_files_are_not_overwritten_or_guessed(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    create_key_file(path, Secret(b"p"), scrypt_n=FAST_SCRYPT_N)
    with pytest.raises(HomeError, match="exists"):
        create_key_file(path, Secret(b"p"), scrypt_n=FAST_SCRYPT_N)
    with pytest.raises(HomeError, match="empty"):
        create_key_file(tmp_path / "other.key", Secret(b""), scrypt_n=FAST_SCRYPT_N)
    with pytest.raises(HomeError, match="No such file"):
        open_key_file(tmp_path / "other.key", Secret(b"p"))
    path.write_text("{}")
    with pytest.raises(HomeError, match="not a node's key file"):
        open_key_file(path, Secret(b"p"))


@given(st.binary(min_size=32, max_size=32), st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_rotation_keeps_dissimilarities(key: bytes, left: float, right: float) -> None:
    secret = Secret(key)
    before = features(left).dissimilarity(features(right))
    after = rotate(features(left), secret).dissimilarity(rotate(features(right), secret))
    assert abs(before - after) < 1e-12


@given(st.integers(16, 200), st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_rotation_can_be_undone(count: int, keys: list[bytes]) -> None:
    """For features of any length, many at once."""
    given = [Features(tuple(math.sin(seed + n) for n in range(count))) for seed in range(len(keys))]
    secrets = [Secret(key) for key in keys]
    templates = [rotate(features, key) for features, key in zip(given, secrets, strict=True)]
    back = rotate_back(templates, secrets)
    for features, row in zip(given, back, strict=True):
        assert math.dist(features.values, row) < 1e-12


def test_many_rotations_are_undone_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [Secret(bytes([number]) * 32) for number in range(5)]
    templates = [rotate(features(float(number)), key) for number, key in enumerate(keys)]
    whole = rotate_back(templates, keys)
    monkeypatch.setattr(rotation, "MAX_NORMALS_AT_ONCE", 2 * 128 * 64)
    assert (rotate_back(templates, keys) == whole).all()


def test_rotations_under_two_keys_are_unlinkable() -> None:
    one, other = rotate(features(1.0), Secret(b"1" * 32)), rotate(features(1.0), Secret(b"2" * 32))
    length = math.dist(features(1.0).values, (0.0,) * 128)
    # Two random directions in 128 dimensions are nearly orthogonal: sqrt(2) times the length, +- 13 % at 3
    # sigma.
    assert one.dissimilarity(other) == pytest.approx(math.sqrt(2) * length, rel=0.2)


def test_compares_as_on_plain_features(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        found = vault.compare(REFERENCE, version=1, model_digest=MODEL, probe=features(1.01))
        assert found == pytest.approx(features(1.0).dissimilarity(features(1.01)), abs=1e-12)


def test_stored_bytes_are_not_the_features(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault_with_template(database)
        database.scrub()
        stored = (tmp_path / "vault.db").read_bytes()
        assert features(1.0).to_bytes()[:64] not in stored


def test_only_the_active_version_is_compared(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        new = vault.prepare(begin(features(2.0)), reference_id=REFERENCE, version=2, model_digest=MODEL)
        vault.store(new, surrogate_cid="bnew", receipt=b"{}")
        with pytest.raises(UnknownReferenceError):
            vault.compare(REFERENCE, version=2, model_digest=MODEL, probe=features(2.0))
        vault.activate(REFERENCE, 2)
        assert vault.compare(REFERENCE, version=2, model_digest=MODEL, probe=features(2.0)) < 1e-12
        with pytest.raises(UnknownReferenceError):
            vault.compare(REFERENCE, version=1, model_digest=MODEL, probe=features(1.0))
        assert [(stored.version, stored.active) for stored in vault.stored()] == [(2, True)]
        assert vault.uses_content("bnew", besides=(REFERENCE, 1))
        assert not vault.uses_content("bnew", besides=(REFERENCE, 2))
        assert not vault.uses_content("bcid", besides=(REFERENCE, 2))


def test_another_model_is_not_compared(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        with pytest.raises(ModelDiffersError):
            vault.compare(REFERENCE, version=1, model_digest="e" * 64, probe=features(1.0))


def test_features_of_another_length_are_not_compared(tmp_path: Path) -> None:
    """A peer may claim any model digest for what it sends."""
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        with pytest.raises(ModelDiffersError, match="128 numbers"):
            vault.compare(REFERENCE, version=1, model_digest=MODEL, probe=Features((0.1,) * 512))


def test_recommitment_is_the_commitment(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = TemplateVault(database, KEY)
        new = vault.prepare(begin(features(1.0)), reference_id=REFERENCE, version=1, model_digest=MODEL)
        assert new.commitment == commit_template(
            new.salt, reference_id=REFERENCE, version=1, model_digest=MODEL, template=new.template
        )
        vault.store(new, surrogate_cid="bcid", receipt=b"{}")
        vault.activate(REFERENCE, 1)
        assert vault.recommit(REFERENCE, 1) == new.commitment


@pytest.mark.parametrize(
    "change",
    [
        "reference_id = 'cd'",
        "version = 7",
        f"model_digest = '{'e' * 64}'",
        "sealed = zeroblob(length(sealed))",
        "wrapped_key = zeroblob(length(wrapped_key))",
    ],
)
def test_a_changed_row_does_not_open(tmp_path: Path, change: str) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        database.execute(f"UPDATE templates SET {change}")  # noqa: S608 - the test's own text
        (stored,) = vault.stored()
        with pytest.raises(VaultIntegrityError):
            vault.recommit(stored.reference_id, stored.version)


def test_rows_cannot_be_swapped(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        vault_with_template(database, reference_id="cd" * 16)
        database.execute(
            "UPDATE templates SET (sealed, wrapped_key) ="
            " (SELECT sealed, wrapped_key FROM templates WHERE reference_id = ?) WHERE reference_id = ?",
            ("cd" * 16, REFERENCE),
        )
        with pytest.raises(VaultIntegrityError):
            vault.recommit(REFERENCE, 1)


def test_erasure_leaves_no_byte(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        (row,) = database.rows("SELECT wrapped_key, sealed FROM templates")
        database.scrub()
        assert row["wrapped_key"] in (tmp_path / "vault.db").read_bytes()
        with database.transaction():
            vault.destroy(REFERENCE)
        vault.scrub()
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert row["wrapped_key"] not in files
        assert row["sealed"][:32] not in files
        with pytest.raises(UnknownReferenceError):
            vault.compare(REFERENCE, version=1, model_digest=MODEL, probe=features(1.0))


def test_one_process_at_a_time(tmp_path: Path) -> None:
    opening = (
        "import sys; from pathlib import Path; from veilmesh_node.vault import Database;"
        " Database(Path(sys.argv[1]))"
    )
    with Database(tmp_path):
        with pytest.raises(VaultInUseError):
            Database(tmp_path)
        other = subprocess.run(
            [sys.executable, "-c", opening, tmp_path], capture_output=True, text=True, check=False
        )
        assert "is in use by another process" in other.stderr
    Database(tmp_path).close()


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    with Database(folder) as database:
        vault_with_template(database)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert set(modes) == {"vault.db", "vault.db-wal", "vault.db-shm", "vault.lock"}
        assert set(modes.values()) == {0o600}


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)
        (pages,) = database.rows("PRAGMA page_count")
        database.rows(f"PRAGMA max_page_count = {pages[0]}")
        new = vault.prepare(begin(features(1.0)), reference_id=REFERENCE, version=2, model_digest=MODEL)
        with pytest.raises(StorageFullError), database.transaction():
            vault.store(new, surrogate_cid="bcid", receipt=bytes(200_000))
        assert [stored.version for stored in vault.stored()] == [1]


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = vault_with_template(database)

        def fail_midway() -> None:
            with database.transaction(), database.transaction():
                vault.destroy(REFERENCE)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_midway()
        assert len(list(vault.stored())) == 1


def test_another_schema_is_refused(tmp_path: Path) -> None:
    Database(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "vault.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(VaultError, match="schema 99"):
        Database(tmp_path)
    (tmp_path / "vault.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(VaultError, match="not a database"):
        Database(tmp_path)


def test_a_vault_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault_with_template(database)
        database.execute("ALTER TABLE templates DROP COLUMN sealed_notes")
        database.execute("PRAGMA user_version = 1")
    with Database(tmp_path) as database:
        vault = TemplateVault(database, KEY)
        recalled = vault.recall(REFERENCE)
        assert recalled is not None
        assert recalled.lineage == begin(recalled.lineage.template)
        assert recalled.lineage.template.dissimilarity(features(1.0)) < 1e-12
        assert recalled.label == vault.label(REFERENCE) == ""


def test_what_belongs_to_a_template_is_recalled(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = TemplateVault(database, KEY)
        lineage = Lineage(features(1.0), features(1.1))
        new = vault.prepare(
            lineage, reference_id=REFERENCE, version=3, model_digest=MODEL, label="Zoë Ångström"
        )
        vault.store(new, surrogate_cid="bcid", receipt=b"{}")
        assert vault.recall(REFERENCE) is None
        assert vault.label(REFERENCE) == ""
        vault.activate(REFERENCE, 3)
        recalled = vault.recall(REFERENCE)
        assert recalled is not None
        assert (recalled.version, recalled.label) == (3, "Zoë Ångström")
        assert recalled.lineage.template.dissimilarity(lineage.template) < 1e-12
        assert recalled.lineage.origin.dissimilarity(lineage.origin) < 1e-12
        assert "Zo" not in f"{recalled!r} {new!r}"
        database.scrub()
        assert "Ångström".encode() not in (tmp_path / "vault.db").read_bytes()
        database.execute("UPDATE templates SET sealed_notes = sealed")
        with pytest.raises(VaultIntegrityError):
            vault.label(REFERENCE)


def test_named_secrets(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        store = SecretStore(database, KEY)
        store.put("sealing", Secret(b"seed"))
        assert store.get("sealing").reveal() == b"seed"
        with pytest.raises(VaultIntegrityError, match="other"):
            store.get("other")
        database.execute("UPDATE secrets SET name = 'other'")
        with pytest.raises(VaultIntegrityError):
            store.get("other")


def test_nothing_secret_is_printed(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        vault = TemplateVault(database, KEY)
        new = vault.prepare(begin(features(1.0)), reference_id=REFERENCE, version=1, model_digest=MODEL)
        shown = f"{KEY!r} {new!r} {vault!r}"
        assert "128 numbers" in shown
        assert "secret, 32 bytes" in shown
        assert not any(f"{value!r}" in shown for value in new.template.values)
        assert new.salt.reveal().hex() not in shown
