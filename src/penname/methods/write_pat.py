"""Writing by PaT for a user who is in no data of the run: what others wrote is that of its train split."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from penname.config import AGENTS, AgentName, Recipe
from penname.data.records import Document, Example
from penname.data.report import Report
from penname.data.sources import read_documents
from penname.methods.agents import Agents, refine
from penname.methods.contexts import Contexts, listed, load_finder, sentence_encoder
from penname.methods.pat import GENERATOR
from penname.methods.prompting import response_prompt
from penname.methods.workbench import Prepared, Workbench
from penname.retrieval.retrieve import retrieve
from penname.runs.progress import ConsoleProgress
from penname.runs.store import Record, Run


@dataclass(frozen=True)
class WrittenByPat:
    """record: of `Workbench.write`. style, topic: what the agents wrote. levels: how many topic documents by level."""

    record: Record
    style: str
    topic: str
    levels: Counter[str]


def can_write(run: Path, recipe: Recipe) -> bool:
    """Whether the run has trained PaT's agents and generator."""
    return (run / "evaluation" / recipe.evaluation.split / "pat" / "stage.json").is_file()


def write_by_pat(
    run: Path, recipe: Recipe, documents: Sequence[Document], prompt: str, item: str | None, seed: int
) -> WrittenByPat:
    """One text for `prompt`.

    documents: the user's own, none for a new user. item: the id of what the text is about, if known; one that nobody
    has written on is as good as none. Raises UserError where the prompt alone is over the limit, or the run's data is
    not there any more.
    """
    example = Example("prompt", "", "generate", prompt, profile=tuple(documents), item_id=item)
    asked = Prepared("prompt", "", "generate", prompt, "", (), history=len(documents))
    generator = run / GENERATOR / "training" / "model" if recipe.tune_generator else None
    with tempfile.TemporaryDirectory() as scratch:
        bench = Workbench(
            recipe.model_copy(update={"seed": seed}), Run(Path(scratch), ConsoleProgress(Console(quiet=True)))
        )
        contexts = _contexts(bench, run, example)
        own = {"prompt": contexts}
        told = refine(bench, "summaries", _agents(run, recipe), [asked], own, recipe.pat.rounds)[-1]["prompt"]
        (record,) = bench.write(
            generator,
            [asked],
            iteration=0,
            samples=1,
            temperature=recipe.evaluation.temperature,
            top_p=recipe.evaluation.top_p,
            with_reasoning=False,
            prompt_of=lambda e: response_prompt(
                bench, e, contexts, told["style"], told["topic"], documents=recipe.pat.documents
            ),
        )
    return WrittenByPat(record, told["style"], told["topic"], Counter(contexts.levels))


def _contexts(bench: Workbench, run: Path, example: Example) -> Contexts:
    recipe = bench.recipe
    others = [d for source in recipe.data for d in read_documents(source, "train", Report())]
    finder = load_finder(run, others, sentence_encoder(lambda note: None))
    found = finder.find(example, recipe.pat.k)
    history = listed(example, retrieve(example, bench.retriever(), recipe.retrieval.k))
    style, topic = listed(example, found.style), listed(example, found.topic)
    return Contexts("prompt", (), (), (), history, style, topic, tuple(found.levels), ())


def _agents(run: Path, recipe: Recipe) -> Agents:
    """The agents as the run's last training left them; one that never had a pair to learn from is untrained."""
    agents: dict[AgentName, Path | None] = {}
    for agent in AGENTS:
        models = [
            run / "pat" / f"iteration-{number}" / agent / "training" / "model"
            for number in range(recipe.pat.iterations, 0, -1)
        ]
        agents[agent] = next((model for model in models if model.is_dir()), None)
    return agents
