"""Writing by PaT for a user who is in no data of the run: what others wrote is that of its train split."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from penname.config import AGENTS, AgentName, Recipe
from penname.data.records import Document, Example, LayoutName
from penname.methods.agents import Agents, refine
from penname.methods.contexts import (
    STYLE,
    Contexts,
    listed,
    load_finder,
    name_apart,
    of_all_sources,
    sentence_encoder,
)
from penname.methods.evaluate import choose_texts
from penname.methods.pat import GENERATOR
from penname.methods.prompting import response_prompt
from penname.methods.workbench import Prepared, Workbench
from penname.retrieval.retrieve import retrieve
from penname.runs.progress import ConsoleProgress
from penname.runs.store import Record, Run, read_json, read_stage, whole_stage


@dataclass(frozen=True)
class Request:
    """What to write, and for whom.

    documents: the user's own, none for a new user. query: what documents are found by, the prompt if left out. item:
    the id of what the text is about, if known; one that nobody has written on is as good as none. candidates: so many
    are written, of which the consensus is taken; what the recipe says if None.
    """

    prompt: str
    documents: Sequence[Document]
    query: str | None
    item: str | None
    seed: int
    candidates: int | None = None


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


def write_by_pat(run: Path, recipe: Recipe, request: Request) -> WrittenByPat:
    """One text. Raises UserError where the prompt is too long, the run is damaged, or its data is gone."""
    layouts = {record["layout"] for record in read_stage(run / "data" / "train")}
    layout: LayoutName = layouts.pop() if len(layouts) == 1 else "plain"
    example = Example(
        "prompt",
        "",
        "generate",
        request.prompt,
        profile=tuple(request.documents),
        item_id=request.item,
        query=request.query,
        layout=layout,
    )
    asked = Prepared("prompt", "", "generate", request.prompt, "", (), layout=layout, history=len(request.documents))
    generator = whole_stage(run / GENERATOR / "training") / "model" if recipe.tune_generator else None
    with tempfile.TemporaryDirectory() as scratch:
        bench = Workbench(
            recipe.model_copy(update={"seed": request.seed}), Run(Path(scratch), ConsoleProgress(Console(quiet=True)))
        )
        bench.authors.know(asked.task, asked.user_id, [document.text for document in request.documents])
        contexts = _contexts(bench, run, example)
        own = {"prompt": contexts}
        told = refine(bench, "summaries", _agents(run, recipe), [asked], own, recipe.pat.rounds)[-1]["prompt"]
        written = bench.write(
            generator,
            [asked],
            iteration=0,
            samples=request.candidates or recipe.evaluation.candidates,
            temperature=recipe.evaluation.temperature,
            top_p=recipe.evaluation.top_p,
            with_reasoning=False,
            prompt_of=lambda e: response_prompt(
                bench, e, contexts, told["style"], told["topic"], documents=recipe.pat.documents
            ),
        )
        (record,) = choose_texts(bench, [written], {"prompt": asked})
    return WrittenByPat(record, told["style"], told["topic"], Counter(contexts.levels))


def _contexts(bench: Workbench, run: Path, example: Example) -> Contexts:
    recipe = bench.recipe
    others, shared = of_all_sources(recipe.data, "train")
    whole_stage(run / STYLE)
    finder = load_finder(run, others, shared, sentence_encoder(lambda note: None), recipe.pat.nearest_topics)

    def known(item: str | None) -> str | None:
        """The item's name in the graph: of the first source that has it."""
        names = [name_apart(number, item) for number in range(len(recipe.data))] if item else []
        return next((name for name in names if name in finder.graph.place_of_topic), item)

    profile = tuple(replace(d, item_id=known(d.item_id)) for d in example.profile)
    found = finder.find(replace(example, item_id=known(example.item_id), profile=profile), recipe.pat.k)
    history = listed(example, retrieve(example, bench.retriever(), recipe.retrieval.k))
    style, topic = listed(example, found.style), listed(example, found.topic)
    return Contexts("prompt", (), (), (), history, style, topic, tuple(found.levels), ())


def _agents(run: Path, recipe: Recipe) -> Agents:
    """The agents as the run's last training left them; one that never had a pair to learn from is untrained."""
    agents: dict[AgentName, Path | None] = {}
    for agent in AGENTS:
        stages = [run / "pat" / f"iteration-{number}" / agent for number in range(1, recipe.pat.iterations + 1)]
        taught = [stage / "training" for stage in stages if read_json(stage / "pairs" / "stage.json")["pairs"]]
        agents[agent] = whole_stage(taught[-1]) / "model" if taught else None
    return agents
