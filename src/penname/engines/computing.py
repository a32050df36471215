"""How a process computes: what the last digits of its results, and so the texts that it samples, depend on."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version

from penname.engines.models import compute_dtype, pick_device

INSTRUCTIONS = {"AVX2": "avx2", "AVX-512": "avx512_f", "AVX-512 BF16": "avx512_bf16", "AMX": "amx_tile"}
"""The instruction sets of x86-64 processors that penname's speed depends on, with torch's name for each."""


def processor_instructions() -> list[str] | None:
    """Those of `INSTRUCTIONS` that this processor has; None on a processor other than x86-64."""
    import torch

    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    capabilities = torch.cpu.get_capabilities()
    return [name for name, flag in INSTRUCTIONS.items() if capabilities.get(flag)]


def describe_computing() -> dict[str, str]:
    """What this process computes with: device, compute dtype, threads, versions and the processor's instructions."""
    import torch

    device = pick_device()
    instructions = processor_instructions()
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "dtype": compute_dtype(),
        "threads": "any" if device != "cpu" else str(torch.get_num_threads()),
        "instructions": platform.machine() if instructions is None else ", ".join(instructions),
        "torch": torch.__version__,
        "transformers": version("transformers"),
    }


def computing_difference(found: Mapping[str, str], expected: Mapping[str, str]) -> str | None:
    """The first way in which two processes compute differently, as text; None where they compute alike."""
    for name, value in expected.items():
        if found.get(name) != value:
            return f"{name} {found.get(name)}, expected {value}"
    return None
