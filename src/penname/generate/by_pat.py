"""Writing by PaT for a user who is in no data of the run: what others wrote is that of its train split."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from penname.config import PromptConfig, Recipe
from penname.data.records import Example, LayoutName
from penname.errors import ArgumentError
from penname.generate.request import Request, Written, notes_on_limits
from penname.method_table import AGENTS, AgentName
from penname.pat.agents import Agents, refine
from penname.pat.contexts import (
    Contexts,
    format_documents,
    load_finder,
    name_with_source,
    read_all_sources,
    sentence_encoder,
)
from penname.pat.prompts import response_prompt
from penname.retrieval.retrieve import Retriever, retrieve
from penname.runs.folder import Record, RunFolder, read_json, read_stage, whole_stage
from penname.runs.progress import ConsoleProgress
from penname.session import stage_names
from penname.session.engines import Engines
from penname.session.evaluate import EVALUATION, choose_texts
from penname.session.examples import Prepared
from penname.session.session import Session
from penname.session.stage_names import GENERATOR, STYLE_MODEL

if TYPE_CHECKING:
    from penname.pat.graph.trajectories import Finder


def can_write(run: Path, recipe: Recipe) -> bool:
    """Whether the run has trained PaT's agents and generator."""
    return (run / stage_names.evaluation(recipe.evaluation.split, "pat") / "stage.json").is_file()


class PaTWriter:
    """Writes with a run's agents and generator; the graph of its train split is made once, at the first text."""

    def __init__(self, run: Path, recipe: Recipe) -> None:
        self._recipe = recipe
        self._run = run
        self._engines = Engines(lambda tokens, completions: None)

    def write(self, request: Request) -> Written:
        """One text. Raises UserError where the prompt is too long, the run is damaged, or its data is gone."""
        if request.reasoning is not None:
            self.check_reasoning()
        recipe = self._recipe.model_copy(update={"seed": request.seed})
        example = Example(
            "prompt",
            "",
            "generate",
            request.prompt,
            profile=tuple(request.documents),
            item_id=request.item,
            query=request.query,
            layout=self._layout,
        )
        history = len(request.documents)
        asked = Prepared("prompt", "", "generate", request.prompt, "", (), layout=self._layout, history=history)
        generator = _generator(self._run) if recipe.tune_generator else None
        with tempfile.TemporaryDirectory() as scratch:
            quiet = ConsoleProgress(Console(quiet=True))
            session = Session(recipe, RunFolder(Path(scratch), quiet), self._engines)
            session.authors.know(asked.task, asked.user_id, [document.text for document in request.documents])
            contexts = self._contexts(example, session.retriever())
            own = {"prompt": contexts}
            agents = _agents(self._run, recipe)
            summaries = refine(session, "summaries", agents, [asked], own, recipe.pat.rounds)[-1]["prompt"]
            written = session.write(
                generator,
                [asked],
                purpose=EVALUATION,
                samples=request.candidates or recipe.evaluation.candidates,
                temperature=recipe.evaluation.temperature,
                top_p=recipe.evaluation.top_p,
                with_reasoning=False,
                prompt_of=lambda e: response_prompt(
                    session, e, contexts, summaries["style"], summaries["topic"], documents=recipe.pat.documents
                ),
            )
            (record,) = choose_texts(session, [written], {"prompt": asked})
        reasoning = f"Style: {summaries['style']}\nTopic: {summaries['topic']}"
        response = record["response"]
        notes = _notes(request, record, contexts.levels, recipe.prompt)
        return Written(response or "", reasoning, tuple(notes), response is not None)

    def check_reasoning(self) -> None:
        """Raises UserError: summaries are of the prompt too."""
        raise ArgumentError("reasoning", "the method pat writes its summaries anew for each prompt")

    def close(self) -> None:
        self._engines.release()

    @cached_property
    def _layout(self) -> LayoutName:
        """That of the run's examples, if they all have one."""
        layouts = {record["layout"] for record in read_stage(self._run / stage_names.data("train"))}
        return layouts.pop() if len(layouts) == 1 else "plain"

    @cached_property
    def _finder(self) -> Finder:
        others, shared = read_all_sources(self._recipe.data, "train")
        whole_stage(self._run / STYLE_MODEL)
        encode = sentence_encoder(lambda note: None)
        return load_finder(self._run, others, shared, encode, self._recipe.pat.nearest_topics)

    def _contexts(self, example: Example, retriever: Retriever) -> Contexts:
        recipe, finder = self._recipe, self._finder

        def known(item: str | None) -> str | None:
            """The item's name in the graph: of the first source that has it."""
            names = [name_with_source(number, item) for number in range(len(recipe.data))] if item else []
            return next((name for name in names if name in finder.graph.topic_index), item)

        profile = tuple(replace(d, item_id=known(d.item_id)) for d in example.profile)
        found = finder.find(replace(example, item_id=known(example.item_id), profile=profile), recipe.pat.k)
        history = format_documents(example, retrieve(example, retriever, recipe.retrieval.k))
        style, topic = format_documents(example, found.style), format_documents(example, found.topic)
        return Contexts("prompt", (), (), (), history, style, topic, tuple(found.levels), ())


def _generator(run: Path) -> Path:
    return whole_stage(run / stage_names.training(GENERATOR)) / "model"


def _agents(run: Path, recipe: Recipe) -> Agents:
    """The agents as the run's last training left them; one that never had a pair to learn from is untrained."""
    agents: dict[AgentName, Path | None] = {}
    for agent in AGENTS:
        iterations = range(1, recipe.pat.iterations + 1)
        places = [stage_names.agent_iteration("pat", number, agent) for number in iterations]
        taught = [p for p in places if read_json(run / stage_names.pairs(p) / "stage.json")["pairs"]]
        agents[agent] = whole_stage(run / stage_names.training(taught[-1])) / "model" if taught else None
    return agents


def _notes(request: Request, record: Record, levels: Sequence[str], prompt: PromptConfig) -> list[str]:
    counts = ", ".join(f"{count} {level}" for level, count in Counter(levels).items())
    notes = [f"topic documents by level: {counts}"]
    if request.item is not None and "topic" not in levels:
        notes.append(f"item {request.item}: nobody has written on it")
    if not request.documents:
        notes.append("there are no documents: written as for a new user")
    shortened, finish_reason = record["documents_shortened"], record["finish_reason"]
    notes += notes_on_limits(shortened, finish_reason, prompt.max_input_tokens, prompt.max_output_tokens)
    if record["response"] is None:
        notes.append("the model wrote nothing")
    return notes
