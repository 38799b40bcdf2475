"""Judges CIAGAN's checkpoints by the anonymizer `ciagan` itself, the generator in torch."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.ciagan import Ciagan
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.ciagan import CiaganConfig, Generator
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored, file_digest
from veilmesh_ml.train.identities import CODES_EACH, Identities
from veilmesh_ml.train.judges.held_out import HeldOut, least_leaking_best_looking
from veilmesh_ml.train.packed import Packed
from veilmesh_ml.weights import shipped_bank

_KEY: Final = bytes(32)
_METHOD: Final = b"veilmesh/judge/ciagan/2"


class CiaganJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:
        """Look at the people held out.

        Raises:
            ModelError: there are too few.
        """
        bank = shipped_bank()
        faces, _ = packed.require_faces()
        self._codes = Identities(faces).table(bank.donors, CODES_EACH, bank.digest)
        self._held_out = HeldOut.of(packed, instruments)
        self.digest = sha256(_METHOD + self._held_out.digest.encode() + bank.digest.encode()).hexdigest()

    def score(self, averages: Path) -> Mapping[str, float]:
        painter = TorchGenerator(averages), self._codes
        return self._held_out.judge(Ciagan(key=_KEY, painter=painter))

    def best(self, scored: Sequence[Scored]) -> Scored:
        return least_leaking_best_looking(scored)


class TorchGenerator:
    """A checkpoint's generator, called as the exported one is."""

    def __init__(self, averages: Path) -> None:
        """Load it.

        Raises:
            ModelError: it cannot be read, or is of other networks.
        """
        self.digest = file_digest(averages)
        self._network = read_module(averages, "generator", Generator(CiaganConfig())).eval()

    def __call__(self, seen: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(self._network(torch.from_numpy(seen), torch.from_numpy(codes)).numpy())
