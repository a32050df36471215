"""What tests against a server need: a free port, waiting until it answers, and plain `generate` to compare with."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import torch

from penname.engines.base import GeneratedTokens, Sampling

END, PERIOD = 2, 30  # <|im_end|> and "." of the bundled model


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"no server at {url}:\n{log.read_text()[-2000:]}")


def plain_generate(model: Any, prompt: list[int], sampling: Sampling) -> GeneratedTokens:
    tokens = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=sampling.max_new_tokens,
        do_sample=False,
        eos_token_id=list(sampling.stop_ids) or [-1],
        pad_token_id=END,
    )[0, len(prompt) :].tolist()
    return (
        GeneratedTokens(tokens[:-1], "stop") if tokens[-1] in sampling.stop_ids else GeneratedTokens(tokens, "length")
    )
