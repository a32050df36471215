"""One text with `penname generate`: seconds to its first token, and tokens a second after it.

Real emails of a user and the bundled model, as it is. The other side of both: the model, its tokenizer and the loops of
BM25 by transformers and numba, which is how every model that is no plain Llama is written with, and no token guessed.
The first token is timed from the start of the command, in a process of its own each time; the tokens after it in one
process, for prompts of several users, with the decoding of `penname generate`. Own code is
measured with and without guesses, which must change no text.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from common import examples, finish, median, parser, run, with_prompts

from penname.engines import batch
from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.prompts.render import Renderer

TASK = "email_completion_user"
FIRST_TOKEN = 3.0
COMMAND = """
import os, sys
from penname.engines import local, tokenizer
from penname.engines.decoders import TransformersDecoder
from penname.engines.models import load_model, load_tokenizer
from penname.retrieval import compiled

def told(self, tokens, ended):
    print("first token", flush=True)
    os._exit(0)

local.LocalEngine._tell = told
if os.environ["SIDE"] == "transformers":
    tokenizer.load_light_tokenizer = load_tokenizer
    local.make_decoder = lambda model, dtype, rows: TransformersDecoder(load_model(model, dtype))
    compiled.SMALL_INPUT = -1
from penname.cli.app import main
main()
"""


def first_token(side: str, profile: Path, prompt: str) -> float:
    """Seconds from the start of `penname generate` to its first token."""
    given = ["generate", "--model", "bundled", "--profile", str(profile), "--prompt", prompt]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *given], env=environment | {"SIDE": side}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first token\n"
        return time.perf_counter() - started


def tokens_a_second(
    engine: LocalEngine, moments: list[float], prompt: list[int], sampling: Sampling
) -> tuple[float, list[int]]:
    """After the first token, whose time is the first of `moments`, which the engine adds to."""
    moments.clear()
    tokens = engine.generate([prompt], [[1]], sampling)[0][0].tokens
    return (len(tokens) - 1) / (moments[-1] - moments[0]), tokens


def main() -> None:
    given = parser(__doc__).parse_args()
    times, prompts, longest = (1, 2, 32) if given.quick else (5, 8, 192)
    example = examples(TASK)[0]
    first: dict[str, list[float]] = {"own": [], "transformers": []}
    with tempfile.TemporaryDirectory() as folder:
        for number, document in enumerate(example.profile):
            (Path(folder) / f"{number}.txt").write_text(document.text, encoding="utf-8")
        for time_ in range(times + 1):
            for side, seconds in first.items():
                taken = first_token(side, Path(folder), example.input)
                if time_:  # the first fills caches
                    seconds.append(taken)
    renderer = Renderer(load_tokenizer("bundled"), "chat", 1024)
    sampling = Sampling(longest, 0.1, 0.95, (), no_repeat_ngram=6)
    moments: list[float] = []
    own, other = (
        LocalEngine(model, batch_size=1, on_written=lambda *_: moments.append(time.perf_counter()))
        for model in ("bundled", load_model("bundled", "auto"))
    )
    sides = {"own": (own, batch.DRAFT_BATCH), "unguessed": (own, 0), "transformers": (other, 0)}
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    same = 0
    for number, (_, prompt) in enumerate(islice(with_prompts(TASK, renderer, 4), prompts + 1)):
        texts = {}
        for side, (engine, batch.DRAFT_BATCH) in sides.items():
            speed, texts[side] = tokens_a_second(engine, moments, prompt, sampling)
            if number:
                speeds[side].append(speed)
        same += texts["own"] == texts["unguessed"]
    ratios = [a / b for a, b in zip(speeds["own"], speeds["transformers"], strict=True)]
    finish(
        median(ratios),
        2,
        own_tokens_per_s=round(median(speeds["own"]), 1),
        transformers_tokens_per_s=round(median(speeds["transformers"]), 1),
        unguessed_tokens_per_s=round(median(speeds["unguessed"]), 1),
        smallest_ratio=round(min(ratios), 2),
        largest_ratio=round(max(ratios), 2),
        first_token_s=round(median(first["own"]), 2),
        transformers_first_token_s=round(median(first["transformers"]), 2),
        first_token_target_s=FIRST_TOKEN,
        first_token_reached=median(first["own"]) <= FIRST_TOKEN,
        same_texts_without_guesses=same == prompts + 1,
        prompts=prompts,
        new_tokens=longest,
    )


if __name__ == "__main__":
    run(main)
