"""Writing with PaT for a user who is not in a run's data; other users' documents are those of its train split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from penname.config import PromptConfig, Recipe
from penname.data.records import Example, LayoutName
from penname.engines.base import OnWritten
from penname.errors import ArgumentError
from penname.generate.request import TextRequest, Written, notes_on_limits
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
from penname.retrieval.retrieve import make_retriever, retrieve
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.folder import Record, RunFolder, intact_stage, read_json, read_stage
from penname.runs.progress import ConsoleProgress
from penname.session import stage_names
from penname.session.engines import Engines
from penname.session.evaluate import EVALUATION, choose_texts
from penname.session.examples import PreparedExample
from penname.session.session import GenerationInput, Session
from penname.session.stage_names import AUTHORSHIP_MODEL, GENERATOR, STYLE_MODEL

if TYPE_CHECKING:
    from penname.pat.graph.trajectories import Finder


def can_write(run: Path, recipe: Recipe) -> bool:
    """Whether a run has trained and evaluated PaT."""
    return (run / stage_names.evaluation(recipe.evaluation.split, "pat") / "stage.json").is_file()


class PaTWriter:
    """Writes with a run's agents and generator; the graph of its train split is built once, for the first text.

    Of whom it writes for it keeps nothing on disk: neither summaries nor embeddings.

    run: the folder of the run.
    recipe: the recipe of the run.
    on_written: progress callback, see `OnWritten`.
    """

    def __init__(self, run: Path, recipe: Recipe, on_written: OnWritten = lambda tokens, completions: None) -> None:
        self._recipe = recipe
        self._run = run
        self._engines = Engines(on_written)

    def write(self, request: TextRequest) -> Written:
        """Write one text. Raises UserError if the prompt is too long, the run is damaged, or its data is missing."""
        if request.reasoning is not None:
            self.check_reasoning()
        recipe = self._recipe.model_copy(update={"seed": request.seed})
        candidates = request.candidates or recipe.evaluation.candidates
        self._check_choice(candidates)
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
        generator = _generator(self._run) if recipe.tune_generator else None
        with ConsoleProgress(Console(quiet=True)) as quiet:
            quiet.start("summaries", recipe.pat.rounds * len(AGENTS), "summaries")
            session = Session(recipe, RunFolder(self._run, quiet), self._engines)
            prepared = PreparedExample(
                "prompt",
                "",
                "generate",
                request.prompt,
                "",
                (),
                layout=self._layout,
                profile_size=len(request.documents),
                user_documents=session.users.sample("", [document.text for document in request.documents]),
            )
            contexts = self._contexts(example, request.seed)
            contexts_by_id = {"prompt": contexts}
            agents = _agents(self._run, recipe)
            rounds = refine(session, "summaries", agents, [prepared], contexts_by_id, recipe.pat.rounds, kept=False)
            summaries = rounds[-1]["prompt"]
            prompt = response_prompt(
                session,
                prepared,
                contexts,
                summaries["style"],
                summaries["topic"],
                documents=recipe.pat.documents,
            )
            written = session.generate(
                [GenerationInput(prepared, prompt)],
                model=generator,
                purpose=EVALUATION,
                samples=candidates,
                temperature=recipe.evaluation.temperature,
                top_p=recipe.evaluation.top_p,
                with_reasoning=False,
            )
            (record,) = choose_texts(session, [(prepared, written)])
        reasoning = f"Style: {summaries['style']}\nTopic: {summaries['topic']}"
        response = record["response"]
        notes = _notes(request, record, contexts.levels, recipe.prompt)
        return Written(response or "", reasoning, tuple(notes), response is not None)

    def check_reasoning(self) -> None:
        """Raise UserError, as the agents' summaries depend on the prompt too."""
        raise ArgumentError("reasoning", "the method pat writes its summaries anew for each prompt")

    def _check_choice(self, candidates: int) -> None:
        """Raise UserError where the run cannot choose among so many candidates, or what it chooses by is damaged."""
        evaluation, folder = self._recipe.evaluation, self._run / AUTHORSHIP_MODEL
        by_authorship = evaluation.choose == AUTHORSHIP or AUTHORSHIP in self._recipe.reward.mixture
        if candidates == 1 or not by_authorship:
            return
        if not folder.is_dir():
            problem = "the run has no authorship model, by which its recipe chooses among candidates"
            raise ArgumentError("candidates", f"found {candidates}; {problem}; expected 1")
        intact_stage(folder)

    def close(self) -> None:
        """Release the loaded models."""
        self._engines.release()

    @cached_property
    def _layout(self) -> LayoutName:
        """The layout of the run's examples if they all have the same one, else `plain`."""
        layouts = {record["layout"] for record in read_stage(self._run / stage_names.data("train"))}
        return layouts.pop() if len(layouts) == 1 else "plain"

    @cached_property
    def _finder(self) -> Finder:
        documents, shared = read_all_sources(self._recipe.data, "train")
        intact_stage(self._run / STYLE_MODEL)
        encode = sentence_encoder(lambda note: None, kept={document.text for document in documents})
        return load_finder(self._run, documents, shared, encode, self._recipe.pat.nearest_topics)

    def _contexts(self, example: Example, seed: int) -> Contexts:
        recipe, finder = self._recipe, self._finder

        def name_in_graph(item: str | None) -> str | None:
            """The name of the item in the graph: that of the first source that has the item."""
            names = [name_with_source(number, item) for number in range(len(recipe.data))] if item else []
            return next((name for name in names if name in finder.graph.topic_index), item)

        profile = tuple(replace(d, item_id=name_in_graph(d.item_id)) for d in example.profile)
        found = finder.find(replace(example, item_id=name_in_graph(example.item_id), profile=profile), recipe.pat.k)
        settings = recipe.retrieval
        retriever = make_retriever(settings.retriever, settings.encoder, seed, settings.tokens, cached=False)
        history = format_documents(example, retrieve(example, retriever, settings.k))
        style, topic = format_documents(example, found.style), format_documents(example, found.topic)
        return Contexts("prompt", (), (), (), history, style, topic, tuple(found.levels), ())


def _generator(run: Path) -> Path:
    return intact_stage(run / stage_names.training(GENERATOR)) / "model"


def _agents(run: Path, recipe: Recipe) -> Agents:
    """The agents after the run's last training; one that never had a preference pair to be trained on is untrained."""
    agents: dict[AgentName, Path | None] = {}
    for agent in AGENTS:
        iterations = range(1, recipe.pat.iterations + 1)
        prefixes = [stage_names.agent_iteration("pat", number, agent) for number in iterations]
        trained = [p for p in prefixes if read_json(run / stage_names.pairs(p) / "stage.json")["pairs"]]
        agents[agent] = intact_stage(run / stage_names.training(trained[-1])) / "model" if trained else None
    return agents


def _notes(request: TextRequest, record: Record, levels: Sequence[str], prompt: PromptConfig) -> list[str]:
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
