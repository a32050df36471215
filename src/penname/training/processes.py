"""Starts the processes that train together, on this machine and on others, with torchrun.

What each of them does is in `penname.training.torchrun_main`. When one dies, all are started again from the last whole
checkpoint: by this module, not by torchrun, whose next attempt would find the addresses of processes that have ended.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import secrets
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from penname.engines.models import COMPUTE_DTYPE, compute_dtype
from penname.errors import UserError

JOB, STEPS, PROBLEM, RESULT, TRAINED = "job.pickle", "steps.jsonl", "problem.txt", "result.json", "trained.safetensors"
"""The files of a job: what is trained; the loss of each step; the error that ended it; how it ended; the weights."""

DRIVER = "PENNAME_DRIVER"
"""Environment variable with the process that the others end with: its id, and when it was started."""

LOCK, LOCKED_SECONDS = "lock", 60.0
"""The file of a job that a machine's processes lock, and the time that those of a killed start have to end."""

ANNOUNCEMENT = "training.json"
"""File in a run's folder that tells other machines what is being trained."""

ATTEMPTS = 4
"""Times that all processes are started before the training is given up."""

PATIENCE = 60.0
"""Seconds for which a machine that joins waits for a run to start."""

FULL = 2**20
"""Free bytes below which a disk counts as full."""

POLL = 0.2
"""Seconds between two looks at processes or files."""

Announcement = dict[str, Any]


@dataclass(frozen=True)
class Processes:
    """The processes that train together.

    each: their number on each machine.
    nodes: number of machines, each of which sees the run's folder under the same path.
    rendezvous: HOST:PORT of this machine, where those of all machines find each other; None for one machine.
    run: the run's folder, where they are announced to other machines; None for one machine.
    say: called with a line for people.
    restarted: called with the name of a training whose processes have ended early and are started again.
    """

    each: int = 1
    nodes: int = 1
    rendezvous: str | None = None
    run: Path | None = None
    say: Callable[[str], None] = print
    restarted: Callable[[str], None] | None = None

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return self.each * self.nodes > 1


@dataclass(frozen=True)
class Job(ABC):
    """A training that several processes can do together.

    folder: the folder of the stage.
    """

    folder: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def files(self) -> Path:
        """The folder of the files by which the processes and the one that starts them understand each other."""
        return self.checkpoints / "processes"

    @abstractmethod
    def make_trainer(self, device: str, on_step: Callable[[int, float], None]) -> Any:
        """A `penname.training.sharded.ShardedTrainer` whose model is divided among the processes.

        device: "cpu" or "cuda".
        on_step: called with the number of steps done and the loss.
        """


@dataclass(frozen=True)
class Trained:
    """How a training of several processes has ended.

    logs: what was logged of each step, see `step_logs`.
    weights: a safetensors file of those that were trained, by their names in the model.
    """

    logs: list[dict[str, float]]
    weights: Path


def train_in_processes(job: Job, processes: Processes, on_step: Callable[[int, float], None]) -> Trained:
    """Train in several processes.

    job: what is trained.
    processes: how many, and where.
    on_step: called with the number of steps done and the loss.

    Raises UserError where the training diverges, or the processes end again and again, and OSError for a full disk.
    """
    job.files.mkdir(parents=True, exist_ok=True)
    with _alone(job.files) as lock:
        for name in (STEPS, PROBLEM, RESULT):
            (job.files / name).unlink(missing_ok=True)
        (job.files / JOB).write_bytes(pickle.dumps(job))
        follower = _Follower(job.files / STEPS, on_step)
        for attempt in range(1, ATTEMPTS + 1):
            _run_once(job, processes, follower, lock)
            if (job.files / PROBLEM).is_file():
                raise UserError((job.files / PROBLEM).read_text(encoding="utf-8"))
            if (job.files / RESULT).is_file():
                return Trained(
                    json.loads((job.files / RESULT).read_text(encoding="utf-8"))["logs"], job.files / TRAINED
                )
            if shutil.disk_usage(job.folder).free < FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.checkpoints))
            if attempt < ATTEMPTS:
                if processes.restarted is not None:
                    processes.restarted(_name(job))
                processes.say(
                    f"{_name(job)}: the processes have ended; they are started again, from the last checkpoint "
                    f"({attempt} of {ATTEMPTS - 1} times)"
                )
    raise UserError(
        f"training.processes: the processes ended {ATTEMPTS} times, see {_output(job.files)}; "
        "start the same command again to go on from the last checkpoint"
    )


def _name(job: Job) -> str:
    """The name of a training, which is the end of its folder's."""
    return "/".join(job.folder.parts[-2:])


@contextmanager
def _alone(files: Path) -> Iterator[int]:
    """Wait for what an earlier start has left running; yields a lock to be passed on to what is started now.

    Raises UserError where it does not end.
    """
    import fcntl  # not on Windows, where several processes cannot train

    with (files / LOCK).open("wb") as lock:
        until = time.monotonic() + LOCKED_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise UserError(f"{files}: processes of an earlier start still train here: end them") from None
                time.sleep(POLL)
        yield lock.fileno()


def _run_once(job: Job, processes: Processes, follower: _Follower, lock: int) -> None:
    """Start the processes, and report their steps until they have ended."""
    announcement = {
        "id": secrets.token_hex(8),
        "files": str(job.files.absolute()),
        "each": processes.each,
        "nodes": processes.nodes,
        "rendezvous": processes.rendezvous,
        "compute_dtype": compute_dtype(),
    }
    if processes.run is not None:
        announce(processes.run, announcement)
        processes.say(f"{_name(job)}: on {processes.nodes} machines; on each other one: penname join {processes.run}")
    process = _start(announcement, host=True, pass_fds=(lock,))
    try:
        while process.poll() is None:
            follower.follow()
            time.sleep(POLL)
        follower.follow()
    finally:
        process.terminate()  # torchrun then ends the others
        process.wait()


def _start(announcement: Announcement, host: bool, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start this machine's processes, whose output goes to a file; they end with this process.

    host: whether this machine is the one at the address of the rendezvous.
    pass_fds: open files that they keep open.
    """
    environment = os.environ | {
        DRIVER: f"{os.getpid()} {psutil.Process().create_time()}",
        COMPUTE_DTYPE: announcement["compute_dtype"],
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--max-restarts=0"]
    command.append(f"--nproc-per-node={announcement['each']}")
    if announcement["nodes"] == 1:
        command.append("--standalone")
    else:
        rendezvous = announcement["rendezvous"]
        command += [f"--nnodes={announcement['nodes']}", "--rdzv-backend=c10d", f"--rdzv-endpoint={rendezvous}"]
        command += [f"--rdzv-id={announcement['id']}", f"--rdzv-conf=is_host={int(host)}"]
        address = _own_address(rendezvous)
        command.append(f"--local-addr={address}")
        if (interface := _interface(address)) is not None:
            environment.setdefault("GLOO_SOCKET_IFNAME", interface)  # by itself it takes that of the host's name
    command += ["-m", "penname.training.torchrun_main", announcement["files"]]
    with _output(Path(announcement["files"])).open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, pass_fds=pass_fds)


def _output(files: Path) -> Path:
    """The file that this machine's processes write to when something is wrong."""
    return files / f"output-{socket.gethostname()}.txt"


def _own_address(rendezvous: str) -> str:
    """The address of this machine in the network of the rendezvous; a host's name may stand for another one."""
    host, _, port = rendezvous.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as probe:
            probe.connect(found[4])  # sends nothing
            address: str = probe.getsockname()[0]
    except (OSError, ValueError) as error:
        raise UserError(f"training.rendezvous: found {rendezvous}, expected HOST:PORT of a machine ({error})") from None
    return address


def _interface(address: str) -> str | None:
    """The name of the network interface that has an address."""
    return next((n for n, has in psutil.net_if_addrs().items() if any(a.address == address for a in has)), None)


class _Follower:
    """Reports the steps that the first process writes to a file.

    path: the file.
    on_step: called with the number of steps done and the loss; for each step once, though a restart repeats some.
    """

    def __init__(self, path: Path, on_step: Callable[[int, float], None]) -> None:
        self._path, self._on_step = path, on_step
        self._position = self._last = 0

    def follow(self) -> None:
        """Report the steps that are new."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._position += len(line)
            step, loss = json.loads(line)
            if step > self._last:
                self._last = step
                self._on_step(step, loss)


def announce(run: Path, announcement: Announcement) -> None:
    """Tell other machines what is being trained, or with `ended` that there is nothing more to train.

    run: the run's folder.
    """
    scratch = run / f"{ANNOUNCEMENT}.partial"
    scratch.write_text(json.dumps(announcement), encoding="utf-8")
    os.replace(scratch, run / ANNOUNCEMENT)


def announce_end(run: Path) -> None:
    """Tell other machines that there is nothing more to train."""
    announce(run, {"id": secrets.token_hex(8), "ended": True})


def _announced(run: Path) -> Announcement | None:
    try:
        announcement: Announcement = json.loads((run / ANNOUNCEMENT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return announcement


def join_trainings(run: Path, say: Callable[[str], None]) -> None:
    """Take part in the trainings of a run that was started on another machine, until it ends.

    run: the run's folder, which both see under the same path.
    say: called with a line for people.

    Raises UserError where there is no run that trains on several machines.
    """
    known, until = None, time.monotonic() + PATIENCE
    say(f"waiting for {run} to train")
    while True:
        announcement = _announced(run)
        # That of an ended run may be older than the run that is about to start.
        ended = announcement is None or bool(announcement.get("ended"))
        if ended and (known is not None or time.monotonic() > until):
            if announcement is None:
                found = "a run that trains on one machine" if (run / "recipe.yaml").is_file() else "no run"
                raise UserError(f"{run}: found {found}, expected one with training.nodes")
            say(f"{run} has ended")
            return
        if announcement is not None and not ended and announcement != known:
            known = announcement
            say(f"taking part in {Path(announcement['files']).parents[1]}")
            if not _take_part(run, announcement):
                say(f"the processes have ended early, see {_output(Path(announcement['files']))}; waiting to go on")
        time.sleep(POLL)


def _take_part(run: Path, announcement: Announcement) -> bool:
    """Run this machine's processes of a training, until they end or another one is announced; whether all went well."""
    process = _start(announcement, host=False)
    try:
        while process.poll() is None and _announced(run) == announcement:
            time.sleep(POLL)
    finally:
        process.terminate()
        process.wait()
    return process.returncode == 0 or _announced(run) != announcement
