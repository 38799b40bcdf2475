"""`python -m veilmesh_ml.video INPUT OUTPUT [METHOD]`: one video in a process of its own, to be measured."""

import sys
from pathlib import Path

from veilmesh_ml.engine import load_engine
from veilmesh_ml.errors import MlError
from veilmesh_ml.release import DEFAULT_METHOD
from veilmesh_ml.video.release import VideoSettings, anonymize_video


def main(source: str, target: str, method: str = DEFAULT_METHOD) -> int:
    try:
        anonymize_video(Path(source), Path(target), load_engine(), VideoSettings(method))
    except MlError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
