"""The machine and the packages that penname runs on: what a run keeps of them, and what can be done with them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from huggingface_hub.constants import HF_HUB_OFFLINE
from packaging.requirements import Requirement

from penname import __version__
from penname.engines.models import BUNDLED_PARAMETERS, bundled_folder, compute_dtype, pick_device
from penname.experiments.plan import run_disk, training_memory
from penname.recipe_files import load_recipe
from penname.rewards.meteor import meteor_name

INSTRUCTIONS = {"AVX2": "avx2", "AVX-512": "avx512_f", "AVX-512 BF16": "avx512_bf16", "AMX": "amx_tile"}
"""Those of x86-64 processors that decide how fast penname is, each as torch calls it."""
EXTRAS = ("openai", "vllm")
SIZES = (360_000_000, 1_700_000_000, 3_000_000_000, 8_000_000_000, 14_000_000_000, 32_000_000_000, 70_000_000_000)
"""Of models that are often taken, in parameters."""


def describe_environment() -> dict[str, Any]:
    """What decides how a run's numbers come out, to be kept with it."""
    return {
        "python": platform.python_version(),
        "packages": {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "device": pick_device(),
        "compute_dtype": compute_dtype(),
        "meteor": meteor_name(),
    }


@dataclass(frozen=True)
class Package:
    """A package that penname can use. version: None where it is not installed; requirement: as pip takes it."""

    name: str
    version: str | None
    requirement: str
    tested: bool


@dataclass(frozen=True)
class Machine:
    """What penname can do here.

    processor: its name. instructions: of `INSTRUCTIONS` those that it has; None on other processors than x86-64.
    threads: with which torch computes.
    gpu: the name of the one that is used; None where torch sees none, or is built for none.
    torch_for: the platform that this torch is built for, as in `CUDA 13.0`.
    quickstart_memory_gib, quickstart_disk_gib: what the recipe quickstart takes, on the bundled model.
    largest: parameters of the largest of `SIZES` that can be trained as that recipe does; None where none can.
    needed: packages that penname cannot do without. extras: those that it can.
    bundled_model: the folder that it is in, or will be. bundled_there: whether it has been made.
    hub_offline: whether nothing is fetched from the Hugging Face hub.
    data_folder: PENNAME_DATA, if set. data_there: whether there is such a folder.
    """

    penname: str
    processor: str
    instructions: list[str] | None
    threads: int
    gpu: str | None
    gpu_memory_gib: float | None
    gpu_memory_available_gib: float | None
    torch_for: str
    memory_gib: float
    memory_available_gib: float
    disk_free_gib: float
    quickstart_memory_gib: float
    quickstart_disk_gib: float
    largest: int | None
    needed: list[Package]
    extras: list[Package]
    bundled_model: str
    bundled_there: bool
    hub_offline: bool
    data_folder: str | None
    data_there: bool
    cache_folder: str


def describe_machine() -> Machine:
    """Look at this machine; nothing is fetched or written."""
    quickstart = load_recipe("quickstart")
    memory = psutil.virtual_memory()
    gpu, gpu_memory, gpu_available = _gpu()
    available = memory.available if gpu_available is None else gpu_available
    fitting = [size for size in SIZES if training_memory(size, quickstart) <= available]
    name, instructions = _processor()
    data = os.environ.get("PENNAME_DATA")
    return Machine(
        penname=__version__,
        processor=name,
        instructions=instructions,
        threads=torch.get_num_threads(),
        gpu=gpu,
        gpu_memory_gib=None if gpu_memory is None else _gib(gpu_memory),
        gpu_memory_available_gib=None if gpu_available is None else _gib(gpu_available),
        torch_for=f"CUDA {torch.version.cuda}" if torch.version.cuda else "processors only",
        memory_gib=_gib(memory.total),
        memory_available_gib=_gib(memory.available),
        disk_free_gib=_gib(psutil.disk_usage(".").free),
        quickstart_memory_gib=_gib(training_memory(BUNDLED_PARAMETERS, quickstart)),
        quickstart_disk_gib=_gib(run_disk(BUNDLED_PARAMETERS, quickstart, quickstart.limit.train)),
        largest=max(fitting, default=None),
        needed=_packages(extra=None),
        extras=[package for extra in EXTRAS for package in _packages(extra)],
        bundled_model=str(bundled_folder()),
        bundled_there=(bundled_folder() / "config.json").is_file(),
        hub_offline=HF_HUB_OFFLINE,
        data_folder=data,
        data_there=bool(data) and Path(str(data)).expanduser().is_dir(),
        cache_folder=str(bundled_folder().parent),
    )


def _processor() -> tuple[str, list[str] | None]:
    found = torch.cpu.get_capabilities()
    name = str(found.get("cpu_name") or platform.processor() or platform.machine())
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return name, None
    return name, [name for name, flag in INSTRUCTIONS.items() if found.get(flag)]


def _gpu() -> tuple[str, int, int] | tuple[None, None, None]:
    """Its name, and its memory, in all and available."""
    if pick_device() == "cpu":
        return None, None, None
    available, memory = torch.cuda.mem_get_info()
    return torch.cuda.get_device_name(), memory, available


def _gib(size: int) -> float:
    return round(size / 2**30, 1)


def _packages(extra: str | None) -> list[Package]:
    """The packages that penname needs, or those of one of its extras, as its own metadata names them."""
    found = []
    for text in importlib.metadata.requires("penname") or []:
        wanted = Requirement(text)
        of_extra = wanted.marker is not None and "extra" in str(wanted.marker)
        if of_extra is (extra is not None) and (
            wanted.marker is None or wanted.marker.evaluate({"extra": extra or ""})
        ):
            found.append(_package(wanted))
    return found


def _package(wanted: Requirement) -> Package:
    requirement = f"{wanted.name}{wanted.specifier}"
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return Package(wanted.name, None, requirement, False)
    return Package(wanted.name, version, requirement, wanted.specifier.contains(version, prereleases=True))
