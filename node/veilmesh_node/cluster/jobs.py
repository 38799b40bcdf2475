"""Jobs on pictures: where their items come from, what was done before, and how results reach the disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.results import ResultsFile
from veilmesh_node.cluster.tasks import AnonymizeTask, AnonymizeVideosTask, FacesTask
from veilmesh_node.cluster.videos import Videos, without_videos
from veilmesh_node.cluster.work import Item, Loaded, Outcome, Settled, Task

if TYPE_CHECKING:
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.manifest import Manifest


def load(item: Item) -> Loaded | Outcome:
    """Read an item's file, or say why that does not work; a long one is read on its way."""
    if item.long:
        return Loaded(item)
    from veilmesh_ml.errors import ImageError  # noqa: PLC0415 - comes with the faces
    from veilmesh_ml.image import read_file  # noqa: PLC0415

    try:
        return Loaded(item, read_file(item.source))
    except ImageError as err:
        return Outcome(error=str(err), hint=err.hint)


@dataclass(slots=True)
class FacesJob:
    """Detect or encode the faces of pictures: a line of `OUT/results.jsonl` each."""

    inputs: Sequence[Path]
    out: Path
    faces_task: FacesTask
    _results: ResultsFile = field(init=False)

    def __post_init__(self) -> None:
        """Read what is there.

        Raises:
            WorkError: the output folder cannot be used.
        """
        self._results = ResultsFile(self.out)

    @property
    def task(self) -> Task:
        return self.faces_task

    def divide(self) -> tuple[list[Item], list[Settled]]:
        """Return what is to do, and what needs no work.

        Raises:
            WorkError: an input does not exist.
        """
        to_do: list[Item] = []
        settled: list[Settled] = []
        names: set[str] = set()
        for item in self._items():
            if item.name in names:
                settled.append(
                    Settled(item.name, error=f"another input is called {item.name}", hint="submit them apart")
                )
            elif self._is_done(item):
                settled.append(Settled(item.name, kept=True))
            else:
                to_do.append(item)
            names.add(item.name)
        return to_do, settled

    def keep(self, loaded: Loaded, outcome: Outcome) -> None:
        self._results.add(loaded.item.name, loaded.sha256, self.task.digest, outcome.document)

    def _items(self) -> list[Item]:
        from veilmesh_ml.folder import pictures_in  # noqa: PLC0415

        items: list[Item] = []
        for given in self.inputs:
            if given.is_dir():
                found = sorted(pictures_in(given, self.out))
                items += [Item(str(source.relative_to(given)), source) for source in found]
            elif given.exists():
                items.append(Item(given.name, given))
            else:
                raise WorkError(f"{given} does not exist")
        return items

    def _is_done(self, item: Item) -> bool:
        if item.name not in self._results.names():
            return False
        loaded = load(item)
        return isinstance(loaded, Loaded) and self._results.has(item.name, loaded.sha256, self.task.digest)


@dataclass(slots=True)
class AnonymizeJob:
    """Anonymize pictures and videos into a mirror of their folders; its lists are `veilmesh anonymize`'s."""

    inputs: Sequence[Path]
    out: Path
    settings: "FolderSettings"
    _manifest: "Manifest" = field(init=False)
    _videos: "Videos | None" = field(init=False)

    def __post_init__(self) -> None:
        """Read what is there.

        Raises:
            ManifestError: it cannot be read.
            WorkError, ParameterError, VideoError: there are videos, which cannot be done so.
        """
        from veilmesh_ml.manifest import Manifest  # noqa: PLC0415

        self._manifest = Manifest(self.out)
        self._videos = Videos.among(self.inputs, self.out, self.settings)

    @property
    def task(self) -> Task:
        if self._videos is None:
            return AnonymizeTask(self.settings)
        return AnonymizeVideosTask(self.settings, self._videos.settings)

    def divide(self) -> tuple[list[Item], list[Settled]]:
        """Return what is to do, videos first, for they take longest; and what needs no work.

        Raises:
            ParameterError: an input does not exist, or is the output folder.
        """
        from veilmesh_ml.folder import plan_folder, settle  # noqa: PLC0415

        to_do, settled = ([], []) if self._videos is None else self._videos.divide()
        pictures = without_videos(self.inputs)
        for job, result in settle(plan_folder(pictures, self.out, self.settings), self._manifest, self.out):
            name = str(job.target.relative_to(self.out))
            if result is None:
                to_do.append(Item(name, job.source))
            else:
                settled.append(Settled(name, kept=not result.error, error=result.error, hint=result.hint))
        return to_do, settled

    def keep(self, loaded: Loaded, outcome: Outcome) -> None:
        """Write the output, then its line in its list: a crash between the two has it done again.

        Raises:
            ImageError, ManifestError, UnwritableVideoError: it cannot be written.
        """
        if self._videos is not None and loaded.item.long:
            self._videos.keep(loaded.item, outcome)
            return
        from veilmesh_ml.folder_job import AnonymizedFile  # noqa: PLC0415
        from veilmesh_ml.image import write_atomically  # noqa: PLC0415
        from veilmesh_ml.manifest import entry_of  # noqa: PLC0415

        name = loaded.item.name
        done = AnonymizedFile(output=outcome.output, **outcome.document)
        write_atomically(self.out / name, done.output)
        result = done.result(loaded.item.source, self.out / name, loaded.sha256, 0.0)
        self._manifest.add(entry_of(result, name, self.settings.digest))
