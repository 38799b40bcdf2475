"""What a trained model ships as: its files, its table in the manifest `weights.toml`, and its card.

A shipment is put together by the model's module in `shipments`, from the checkpoint that was chosen
(`veilmesh train choose`), the run's log and the packed file; `write` puts it into a folder, which may be the
package's own `weights/`.

Needs torch, safetensors, onnx and onnxscript.
"""

import hashlib
import importlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from veilmesh_ml.errors import ModelError, TrainingError, UnknownNameError
from veilmesh_ml.image import write_atomically
from veilmesh_ml.train.choose import Scored, file_digest, read_choice
from veilmesh_ml.train.packed import Packed

LARGEST_FILE_BYTES: Final = 12_000_000
MANIFEST: Final = "weights.toml"
SHIPPED: Final = ("ciagan", "ppsa", "stylegan", "stylegan_mapping", "expression", "autoencoder")


@dataclass(frozen=True, slots=True, eq=False)
class Shipment:
    """A model's files.

    Attributes:
        model: its name.
        parts: "file", "graph" and the like, to the file's name.
        contents: the files, by name; the card and the log among them.
        about: further lines of its table in the manifest.
    """

    model: str
    parts: Mapping[str, str]
    contents: Mapping[str, bytes] = field(repr=False)
    about: Mapping[str, str | int | float]

    def table(self) -> str:
        """Return its table in the manifest."""
        lines = [f"[{self.model}]"]
        for part, name in self.parts.items():
            digest = hashlib.sha256(self.contents[name]).hexdigest()
            lines += [f"{part} = {json.dumps(name)}"]
            lines += [f'{"sha256" if part == "file" else f"{part}_sha256"} = "{digest}"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in self.about.items()]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What is known of the checkpoint that ships.

    Attributes:
        averages: its file.
        scored: what was measured of it.
        log: the run's log, one JSON object a line.
        packed: what it was trained on.
        terms: in a sentence, under which terms the photos may be used: for the card.
    """

    averages: Path
    scored: Scored
    log: str = field(repr=False)
    packed: Packed = field(repr=False)
    terms: str

    @property
    def begun(self) -> Mapping[str, Any]:
        """What the log says of the training's beginning: config, sizes, data.

        Raises:
            ModelError: the log does not begin as a training's, or is of other data.
        """
        first = self.log.partition("\n")[0]
        try:
            begun: Mapping[str, Any] = json.loads(first)
            of_this_data = begun["event"] == "begun" and begun["data_sha256"] == self.packed.digest
        except (ValueError, KeyError, TypeError) as err:
            raise ModelError(
                f"the log is not a training's: {first[:60]!r}", hint="name a run's folder"
            ) from err
        if not of_this_data:
            raise ModelError(
                "the run was trained on another packed file", hint="name the one that it was trained on"
            )
        return begun


def trained(run: Path, packed: Packed, terms: str) -> Trained:
    """Return what is known of the checkpoint that was chosen.

    Raises:
        ModelError: none was chosen, the run has no log, or the checkpoint is not the one that was scored.
    """
    scored = read_choice(run)
    averages = run / "averages" / f"{scored.step:07d}.safetensors"
    try:
        log = (run / "log.jsonl").read_text(encoding="utf-8")
    except OSError as err:
        raise ModelError(f"cannot read the run's log: {err.strerror}", hint="name a run's folder") from err
    if file_digest(averages) != scored.checkpoint:
        raise ModelError(f"{averages} is not the checkpoint that was scored", hint="choose again")
    return Trained(averages, scored, log, packed, terms)


def put_together(model: str, chosen: Trained) -> Shipment:
    """Return what a model ships as.

    Raises:
        UnknownNameError: no such model, or it is shipped otherwise.
        ModelError: the checkpoint cannot be read, or is of other networks or data.
        TrainingError: it cannot be exported, or a file is too large.
    """
    if model not in SHIPPED:
        raise UnknownNameError(f"{model!r} is not exported by this", hint=f"there are: {', '.join(SHIPPED)}")
    shipment: Shipment = importlib.import_module(f"veilmesh_ml.train.shipments.{model}").shipment(chosen)
    for name, content in shipment.contents.items():
        if len(content) > LARGEST_FILE_BYTES:
            raise TrainingError(
                f"{name} has {len(content)} bytes, more than {LARGEST_FILE_BYTES}",
                hint="train a smaller network",
            )
    return shipment


def write(shipment: Shipment, folder: Path) -> None:
    """Write the files, and the table into the folder's manifest in place of the one before.

    Raises:
        ModelError: the manifest there is none.
        ImageError: a file cannot be written.
    """
    manifest = folder / MANIFEST
    listed = manifest.read_text(encoding="utf-8") if manifest.exists() else ""
    replaced = with_table(listed, shipment.model, shipment.table())
    for name, content in shipment.contents.items():
        write_atomically(folder / name, content)
    write_atomically(manifest, replaced.encode())


def with_table(manifest: str, name: str, table: str) -> str:
    """Return a manifest with this table in place of the one of that name, or at its end.

    Raises:
        ModelError: the manifest is no TOML.
    """
    table = table.rstrip("\n") + "\n"
    found = re.search(rf"^\[{re.escape(name)}\]\n(?:(?!\[).*\n?)*", manifest, re.MULTILINE)
    if found is None:
        replaced = f"{manifest.rstrip()}\n\n{table}" if manifest.strip() else table
    else:
        rest = manifest[found.end() :]
        replaced = manifest[: found.start()] + table + (f"\n{rest}" if rest else "")
    try:
        tomllib.loads(replaced)
    except tomllib.TOMLDecodeError as err:
        raise ModelError(f"the manifest is no TOML: {err}", hint="name a folder of weights") from err
    return replaced
