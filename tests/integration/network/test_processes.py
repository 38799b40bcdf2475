"""The supervisor's children, with small programs in the place of peers and orderers."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from veilmesh_network.errors import BringUpError, NetworkError
from veilmesh_network.fabric.configuration import Program, ProgramKind
from veilmesh_network.fabric.processes import Children, ProcessRecord, process_table
from veilmesh_network.fabric.readiness import NotYetError, until
from veilmesh_network.fabric.steps import Steps, for_all

_LIVES = "exec sleep 600"


def _program(folder: Path, name: str, script: str = _LIVES, **environment: str) -> Program:
    return Program(
        name,
        ProgramKind.PEER,
        ("/bin/sh", "-c", script),
        {**os.environ, **environment},
        folder / f"{name}.log",
    )


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    children = Children(tmp_path / "processes.json")
    yield children
    await children.stop()
    assert not (tmp_path / "processes.json").exists()


def _records(folder: Path) -> dict[str, ProcessRecord]:
    table = process_table(folder / "processes.json")
    assert table is not None
    assert table.supervisor == os.getpid()
    return {record.name: record for record in table.processes}


async def _never() -> None:
    await asyncio.Event().wait()


async def test_one_that_ends_on_the_way_up_is_an_error_with_its_last_words(
    children: Children, tmp_path: Path
) -> None:
    await children.start(_program(tmp_path, "good"))
    await children.start(_program(tmp_path, "bad", "echo first; echo no such port >&2; exit 3"))
    with pytest.raises(BringUpError) as failed:
        await children.while_all_live(_never())
    assert str(failed.value).startswith("bad ended (exit status 3); the end of ")
    assert str(failed.value).endswith("bad.log:\n    first\n    no such port")
    assert _records(tmp_path)["bad"].pid is None


async def test_later_it_is_started_again(children: Children, tmp_path: Path) -> None:
    await children.start(_program(tmp_path, "one"))
    children.keep_running()
    before = _records(tmp_path)["one"]
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)

    async def again() -> ProcessRecord:
        record = _records(tmp_path)["one"]
        if record.pid in {None, before.pid}:
            raise NotYetError(str(record))
        return record

    assert (await until(again, within_s=20)).restarts == 1


async def test_other_settings_replace_a_running_program_and_the_same_do_not(
    children: Children, tmp_path: Path
) -> None:
    await children.start(_program(tmp_path, "one", VERSION="1"))
    await children.start(_program(tmp_path, "two"))
    children.keep_running()
    before = _records(tmp_path)
    children.begin()
    await children.start(_program(tmp_path, "one", VERSION="2"))
    await children.start(_program(tmp_path, "two"))
    after = _records(tmp_path)
    assert after["two"] == before["two"]
    assert after["one"].pid != before["one"].pid
    assert await children.while_all_live(asyncio.sleep(0, "fine")) == "fine"
    await children.retain({"two"})
    assert list(_records(tmp_path)) == ["two"]


async def test_one_that_does_not_want_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilmesh_network.fabric.processes._STOP_TIMEOUT_S", 0.3)
    children = Children(tmp_path / "processes.json")
    stubborn = "trap '' TERM; echo ready; while :; do sleep 600; done"
    await children.start(_program(tmp_path, "stubborn", stubborn))

    async def ready() -> None:
        if "ready" not in (tmp_path / "stubborn.log").read_text():
            raise NotYetError("it has not set its trap")

    await until(ready, within_s=20)
    pid = _records(tmp_path)["stubborn"].pid
    await children.stop()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_steps_are_timed_and_failures_explained(children: Children, tmp_path: Path) -> None:
    said: list[str] = []
    steps = Steps(children, said.append)
    program = _program(tmp_path, "one", "echo I am busy; exec sleep 600")
    await children.start(program)

    async def logged() -> None:
        if not program.log.exists() or "busy" not in program.log.read_text():
            raise NotYetError("nothing is logged")

    await steps.take("one started", [program], until(logged, within_s=20))
    assert said[0].startswith("one started (")

    async def fail() -> None:
        raise NetworkError("it does not answer")

    with pytest.raises(BringUpError) as failed:
        await steps.take("one joined", [program], for_all([fail(), _never()]))
    assert str(failed.value).startswith("one joined: it does not answer\nthe end of ")
    assert str(failed.value).endswith("one.log:\n    I am busy")


async def test_what_is_not_there_in_time_is_told() -> None:
    async def never() -> None:
        raise NotYetError("the peer says 'starting'")

    with pytest.raises(BringUpError, match=r"^not within 0 s: the peer says 'starting'$"):
        await until(never, within_s=0.2)


def test_a_program_dies_with_its_parent() -> None:
    parent = (
        "import os, subprocess, sys, time\n"
        "tether = [sys.executable, '-m', 'veilmesh_network.fabric.tether', str(os.getpid())]\n"
        "child = subprocess.Popen([*tether, '/bin/sh', '-c', 'echo $$; exec sleep 600'],\n"
        "                         stdout=subprocess.PIPE)\n"
        "print(int(child.stdout.readline()), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        child = os.pidfd_open(int(running.stdout.readline()))
        running.kill()
    assert select.select([child], [], [], 10)[0]
    os.close(child)


def test_a_program_whose_parent_is_gone_already_does_not_start() -> None:
    tethered = [sys.executable, "-m", "veilmesh_network.fabric.tether", "1", "/bin/echo", "started"]
    refused = subprocess.run(tethered, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "the parent died first\n")
