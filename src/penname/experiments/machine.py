"""The machine and the packages that penname runs on: what a run records of them, and what they allow."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch
from huggingface_hub.constants import HF_HUB_OFFLINE
from packaging.requirements import Requirement

from penname import __version__
from penname.engines.computing import processor_instructions
from penname.engines.models import BUNDLED_PARAMETERS, bundled_folder, compute_dtype, pick_device
from penname.experiments.plan import run_disk, training_memory
from penname.recipe_files import load_recipe
from penname.rewards.meteor import meteor_name

PURPOSES = {
    "train": "for training",
    "graph": "for methods that show other users' documents",
    "plots": "for reports and figures",
    "tracking": "for tracking: tensorboard in a recipe",
    "openai": "for kind: openai in a recipe",
    "vllm": "for kind: vllm in a recipe",
    "ray": "for scale.kind: ray in a recipe",
}
"""What penname's optional packages are for, by the names of its extras."""
SIZES = (360_000_000, 1_700_000_000, 3_000_000_000, 8_000_000_000, 14_000_000_000, 32_000_000_000, 70_000_000_000)
"""Common sizes of models, in parameters."""


def describe_environment() -> dict[str, Any]:
    """The software and hardware that a run's numbers can depend on, which the run records."""
    return {
        "python": platform.python_version(),
        "packages": dict(_installed_versions()),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "device": pick_device(),
        "compute_dtype": compute_dtype(),
        "meteor": meteor_name(),
    }


@cache
def _installed_versions() -> dict[str, str]:
    """The version of each installed package."""
    installed = [distribution.metadata for distribution in importlib.metadata.distributions()]
    return {metadata["Name"]: metadata["Version"] for metadata in installed}


@dataclass(frozen=True)
class Package:
    """A package that penname can use.

    name: its name on PyPI.
    version: the installed version; None where it is not installed.
    requirement: the name with the supported versions, as an argument of pip.
    tested: whether the installed version is one of them.
    purpose: what it is for, where it is optional.
    """

    name: str
    version: str | None
    requirement: str
    tested: bool
    purpose: str = ""


@dataclass(frozen=True)
class Machine:
    """A machine, and what penname can do on it.

    penname: the version of penname.
    processor: the name of the processor.
    instructions: those of `INSTRUCTIONS` that the processor has; None on a processor other than x86-64.
    threads: the number of threads that torch computes with.
    gpu: the name of the GPU in use; None if torch finds none, or is built without GPU support.
    gpu_memory_gib, gpu_memory_available_gib: the GPU's memory, in GiB; None without a GPU.
    torch_for: the platform that this torch is built for, as in `CUDA 13.0`; `Apple's GPU` where there is one.
    memory_gib, memory_available_gib: the main memory, in GiB.
    disk_free_gib: the free space on the disk of the working folder, in GiB.
    quickstart_memory_gib, quickstart_disk_gib: what the recipe `quickstart` needs with the bundled model, in GiB.
    largest: the largest of `SIZES` that can be trained with that recipe, in parameters; None if none can.
    needed: the packages that penname requires.
    extras: the optional packages.
    bundled_model: the folder of the bundled model.
    bundled_there: whether that folder has been made.
    hub_offline: whether the Hugging Face hub is off.
    data_folder: the value of PENNAME_DATA; None if it is not set.
    data_there: whether that folder exists.
    cache_folder: the folder of cached models and rankings.
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
    """Describe this machine, without fetching or writing anything."""
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
        torch_for=_torch_for(),
        memory_gib=_gib(memory.total),
        memory_available_gib=_gib(memory.available),
        disk_free_gib=_gib(psutil.disk_usage(".").free),
        quickstart_memory_gib=_gib(training_memory(BUNDLED_PARAMETERS, quickstart)),
        quickstart_disk_gib=_gib(run_disk(BUNDLED_PARAMETERS, quickstart, quickstart.limit.train)),
        largest=max(fitting, default=None),
        needed=_packages(extra=None),
        extras=[
            replace(package, purpose=purpose) for extra, purpose in PURPOSES.items() for package in _packages(extra)
        ],
        bundled_model=str(bundled_folder()),
        bundled_there=(bundled_folder() / "config.json").is_file(),
        hub_offline=HF_HUB_OFFLINE,
        data_folder=data,
        data_there=bool(data) and Path(str(data)).expanduser().is_dir(),
        cache_folder=str(bundled_folder().parent),
    )


def _processor() -> tuple[str, list[str] | None]:
    name = str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())
    return name, processor_instructions()


def _gpu() -> tuple[str, int, int] | tuple[None, None, None]:
    """The name of the GPU in use, its memory and its available memory, in bytes."""
    device = pick_device()
    if device == "cpu":
        return None, None, None
    if device == "mps":
        memory = torch.mps.recommended_max_memory()
        return "Apple's GPU", memory, memory - torch.mps.driver_allocated_memory()
    available, memory = torch.cuda.mem_get_info()
    return torch.cuda.get_device_name(), memory, available


def _torch_for() -> str:
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return "Apple's GPU" if torch.backends.mps.is_available() else "processors only"


def _gib(size: int) -> float:
    return round(size / 2**30, 1)


def _packages(extra: str | None) -> list[Package]:
    """The packages that penname requires, or those of one of its extras, by penname's own metadata."""
    packages = []
    for text in importlib.metadata.requires("penname") or []:
        requirement = Requirement(text)
        of_extra = requirement.marker is not None and "extra" in str(requirement.marker)
        if of_extra is (extra is not None) and (
            requirement.marker is None or requirement.marker.evaluate({"extra": extra or ""})
        ):
            packages.append(_package(requirement))
    return packages


def _package(requirement: Requirement) -> Package:
    text = f"{requirement.name}{requirement.specifier}"
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return Package(requirement.name, None, text, False)
    return Package(requirement.name, version, text, requirement.specifier.contains(version, prereleases=True))
