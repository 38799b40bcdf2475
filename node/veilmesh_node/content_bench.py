"""How long a surrogate takes into an IPFS daemon and out again, beside the daemon's bare HTTP API.

The surrogate is made by the release gate from a picture that everybody has, small enough for a PNG of about
10 kB. Store and bare API take turns on one private daemon, and each round adds what the daemon has not: what
was added is removed again, which is timed as well.
"""

import asyncio
import http.client
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from veilmesh_chaincode.records.policy import ExchangeMode, GateLevel, Terms

from veilmesh_node.content import IpfsContentStore
from veilmesh_node.content.kubo import AS_CONTENT_ID, KuboDaemon
from veilmesh_node.content.private_daemon import PrivateDaemon
from veilmesh_node.faces import MlFaces
from veilmesh_node.ports import FaceBox, FoundFace
from veilmesh_node.surrogate import Surrogate

if TYPE_CHECKING:  # it comes with the faces
    from PIL import Image

ROUNDS = 200
WARM_UP = 10  # rounds that are not counted
PICTURE_PX, FACE_AT = 250, (100, 0)  # of the portrait that scikit-image brings along: size, and left and top
SCALED_PX = 124  # its surrogate takes about 10 kB
BOUNDARY = "veilmesh-bench"

TERMS = Terms(
    threshold_micro=600_000,
    purposes=["bench"],
    exchange_modes=[ExchangeMode.SEALED],
    anonymizers=["mask"],
    gate_level=GateLevel.STANDARD,
    attempt_limit=1,
    attempt_window_s=60,
    lock_out_s=60,
    authentication_expiry_s=60,
    reference_retention_s=60,
)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one call, over all rounds, in milliseconds."""

    p50_ms: float
    p99_ms: float
    cpu_ms: float  # median of this process's own, without the daemon's


@dataclass(frozen=True, slots=True)
class ContentFigures:
    kubo: str
    surrogate_bytes: int
    rounds: int
    add: Times
    bare_add: Times
    cat: Times
    bare_cat: Times
    remove: Times  # unpinned, and collected


@dataclass
class _Watch:
    """Times of one call."""

    taken_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    async def time(self, call: Callable[[], Awaitable[object]]) -> None:
        started_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        await call()
        self.taken_ms.append((time.perf_counter_ns() - started_ns) / 1e6)
        self.cpu_ms.append((time.process_time_ns() - cpu_ns) / 1e6)

    def times(self) -> Times:
        taken_ms = sorted(self.taken_ms[WARM_UP:])
        p99_ms = taken_ms[int(0.99 * len(taken_ms))]
        cpu_ms = statistics.median(self.cpu_ms[WARM_UP:])
        return Times(round(statistics.median(taken_ms), 2), round(p99_ms, 2), round(cpu_ms, 2))


def measure_content(rounds: int = ROUNDS) -> ContentFigures:
    """Time `rounds` rounds on a daemon that is started for it.

    Raises:
        ContentUnavailableError: there is no `ipfs` on PATH.
        IpfsMissingError, FacesMissingError: an extra is not installed.
    """
    with tempfile.TemporaryDirectory() as folder, PrivateDaemon.make(Path(folder) / "ipfs") as process:
        process.start()
        return asyncio.run(_measure(process, rounds))


async def _measure(process: PrivateDaemon, rounds: int) -> ContentFigures:
    daemon = KuboDaemon(process.address)
    bare = _BareApi(process.address)
    try:
        surrogate, store = await _surrogate(), IpfsContentStore(daemon)
        add, cat, remove, bare_add, bare_cat = (_Watch() for _ in range(5))
        for _ in range(WARM_UP + rounds):
            await add.time(lambda: store.put(surrogate))
            (cid,) = await store.ids()
            await cat.time(lambda cid=cid: store.get(cid))  # type: ignore[misc]  # a loop variable
            await remove.time(lambda cid=cid: store.remove(cid))  # type: ignore[misc]  # likewise
            await bare_add.time(lambda: bare.add(surrogate))
            await bare_cat.time(lambda cid=cid: bare.cat(cid))  # type: ignore[misc]  # likewise
            await store.remove(cid)
        return ContentFigures(
            kubo=(await daemon.report()).version,
            surrogate_bytes=len(surrogate.image),
            rounds=rounds,
            add=add.times(),
            bare_add=bare_add.times(),
            cat=cat.times(),
            bare_cat=bare_cat.times(),
            remove=remove.times(),
        )
    finally:
        bare.close()
        daemon.close()


class _BareApi:
    """The two calls as plain HTTP, on one connection, without a check of what comes back."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def close(self) -> None:
        self._connection.close()

    async def add(self, surrogate: Surrogate) -> None:
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + surrogate.image + f"\r\n--{BOUNDARY}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self._call("add", {**AS_CONTENT_ID, "pin": "true"}, body, headers)

    async def cat(self, cid: str) -> None:
        self._call("cat", {"arg": cid}, b"", {})

    def _call(self, command: str, options: dict[str, str], body: bytes, headers: dict[str, str]) -> None:
        self._connection.request("POST", f"/api/v0/{command}?{urlencode(options)}", body, headers)
        self._connection.getresponse().read()


async def _surrogate() -> Surrogate:
    """Have the release gate let out a small picture of the portrait."""
    from PIL import Image  # noqa: PLC0415 - a node may lack the library
    from skimage import data  # noqa: PLC0415

    left, top = FACE_AT
    whole = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]  # no annotations
    picture = whole.crop((left, top, left + PICTURE_PX, top + PICTURE_PX))
    faces = MlFaces()
    try:
        (face,) = await faces.find_faces(_png(picture), limit=1)
        small = picture.resize((SCALED_PX, SCALED_PX), Image.Resampling.LANCZOS)
        return await faces.release(_png(small), _scaled(face), ["mask"], TERMS)
    finally:
        faces.close()


def _png(picture: "Image.Image") -> bytes:
    stream = BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def _scaled(face: FoundFace) -> FoundFace:
    """Return a face of the picture as it lies in the small one, where no detector would find it."""

    def scaled(value: int) -> int:
        return round(value * SCALED_PX / PICTURE_PX)

    box = FaceBox(
        scaled(face.box.left), scaled(face.box.top), scaled(face.box.right), scaled(face.box.bottom)
    )
    landmarks = [(scaled(x), scaled(y)) for x, y in face.landmarks]
    return replace(face, box=box, landmarks=landmarks)
