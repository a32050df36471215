"""`penname data control`: a corpus with known right answers, and the small model that is pretrained for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from penname.errors import UserError

if TYPE_CHECKING:
    from penname.data.control import PretrainingExample

console = Console()
CONTROL_EXAMPLES = ("penname data control --out control", "penname train control")
USERS = 2000
"""The default number of users in all splits together."""
TEMPLATES: tuple[Literal["figure8_input", "figure8_output", "no_reasoning_input"], ...] = (
    "figure8_input",
    "figure8_output",
    "no_reasoning_input",
)


def figure_8(example: PretrainingExample) -> str:
    """The input and output of REST-PG's Figure 8, as a model without a chat template reads them."""
    from penname.prompts.completion import compose
    from penname.prompts.templates import fill, separator

    context = separator("figure8_input").join(example.documents)
    return (
        f"{fill('figure8_input', input=example.input, context=context)} {compose(example.reasoning, example.response)}"
    )


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into, which is renamed to `folder` once everything is written."""
    scratch = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    yield scratch
    scratch.rename(folder)


def control(
    out: Annotated[Path, typer.Option("--out", help="New folder for the corpus and its model.")],
    users: Annotated[int, typer.Option(min=10, help="Users in all splits together, with one example each.")] = USERS,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; another one gives other users.")] = 0,
    teacher: Annotated[
        float, typer.Option(min=0, max=1, help="Probability that the teacher is right about a trait.")
    ] = 0.2,
    misled: Annotated[
        float, typer.Option(min=0, max=1, help="Probability that it says something wrong; otherwise it says nothing.")
    ] = 0.05,
    layers: Annotated[int, typer.Option(min=2, help="Layers of the model.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps of the model's pretraining.")] = 2000,
) -> None:
    """Write a corpus of users with hidden traits, and pretrain the small model that the recipe control starts from."""
    from penname.data.control import Teacher, pretraining_examples, vocabulary_texts, write_control
    from penname.prompts.templates import template
    from penname.runs.progress import ConsoleProgress
    from penname.training.pretraining import PretrainingSettings, make_tokenizer, pretrain

    if out.exists():
        raise UserError(f"--out {out}: found something there already, expected a new folder")
    if teacher + misled > 1:
        raise UserError(
            f"--teacher {teacher:g}, --misled {misled:g}: found a sum of {teacher + misled:g}, expected 1 at most"
        )
    with atomic_folder(out) as scratch:
        written = write_control(scratch, users, seed, Teacher(teacher, misled))
        examples = ", ".join(f"{count:,} {split}" for split, count in written.items())
        console.print(f"examples: {examples}")
        templates = [template(name) for name in TEMPLATES]
        tokenizer = make_tokenizer([*templates, *vocabulary_texts()])
        with ConsoleProgress(console) as progress:
            progress.start("pretraining", steps, "steps")
            pretrain(
                scratch / "model",
                tokenizer,
                map(figure_8, pretraining_examples(seed)),
                PretrainingSettings(layers=layers, steps=steps),
                seed,
                lambda step, loss: progress.advance(1, note=f"loss {loss:.3f}"),
            )
            progress.finish()
    console.print(f"{out}: the corpus, and {out / 'model'}; next: penname train control", markup=False, highlight=False)
