"""What all shipments have in common: how files are called, lines of the manifest, facts for the card."""

from collections.abc import Mapping
from typing import Any

from veilmesh_ml.train.export import WEIGHTS_FORMAT, Exported, Port, export
from veilmesh_ml.train.ship import Shipment, Trained


def exported(
    model: str, network: Any, inputs: tuple[Port, ...], outputs: tuple[str, ...], chosen: Trained
) -> Exported:
    """Export a network of the chosen checkpoint as MODEL.safetensors and its graph.

    Raises:
        TrainingError: torch writes no graph.
    """
    about = {
        "model": model,
        "step": chosen.scored.step,
        "config": chosen.begun["config"],
        "data_sha256": chosen.packed.digest,
    }
    return export(network, inputs, outputs, f"{model}.safetensors", about)


def shipment_of(
    model: str,
    files: Exported,
    card: str,
    chosen: Trained,
    *,
    parts: Mapping[str, tuple[str, bytes]] | None = None,
    lines: Mapping[str, str | int | float],
) -> Shipment:
    """Put a model's files together.

    Args:
        model: its name.
        files: weights and graph.
        card: its text.
        chosen: the checkpoint.
        parts: further files, by what they are: name and content.
        lines: further ones for the manifest.
    """
    more = parts or {}
    names = {"file": f"{model}.safetensors", "graph": f"{model}.onnx"}
    contents = {
        names["file"]: files.weights,
        names["graph"]: files.graph,
        f"{model}.md": card.encode(),
        f"{model}.jsonl": chosen.log.encode(),
    }
    return Shipment(
        model,
        names | {part: name for part, (name, _) in more.items()},
        contents | dict(more.values()),
        {**manifest_lines(model, chosen), **lines},
    )


def manifest_lines(model: str, chosen: Trained) -> dict[str, str | int | float]:
    """Return the lines that every trained model has.

    Args:
        model: whose training it was; it has the card and the log.
        chosen: the checkpoint.
    """
    return {
        "format": WEIGHTS_FORMAT,
        "built_with": f"veilmesh train {model}",
        "data_sha256": chosen.packed.digest,
        "step": chosen.scored.step,
        "seed": int(chosen.begun["config"]["seed"]),
        "log": f"{model}.jsonl",
        "card": f"{model}.md",
    }


def card_facts(chosen: Trained, network: str, files: Exported) -> dict[str, Any]:
    """Return what every card tells.

    Args:
        chosen: the checkpoint.
        network: which of the training's networks ships.
        files: that one.
    """
    begun = chosen.begun
    config = begun["config"]
    return {
        "parameters": begun["parameters"][network],
        "weights_bytes": len(files.weights),
        "terms": chosen.terms,
        "step": chosen.scored.step,
        "batch": config["batch"],
        "rate": config["learning_rate"],
        "seed": config["seed"],
        "torch": begun["torch"],
        "device": begun["device"],
        "checkpoint": chosen.scored.checkpoint,
    }


def face_facts(chosen: Trained) -> dict[str, Any]:
    """Return what the card of a model that was taught with faces tells of them."""
    data = chosen.packed.description
    names = ("faces", "people", "photos", "initials", "held_out", "held_out_faces", "photos_sha256")
    return {name: data[name] for name in names}
