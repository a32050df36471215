"""The generator shared by all methods that do not train their own model, fine-tuned if the recipe says so."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from penname.config import Recipe
from penname.engines.models import locate_model
from penname.method_table import METHODS, AgentName
from penname.pat.agents import UNTRAINED, Summaries, refine, without
from penname.pat.contexts import find_contexts
from penname.pat.prompts import method_prompt
from penname.prompts.render import Prompt
from penname.runs.folder import read_json
from penname.session.fine_tune import train_stage, within_limit
from penname.session.session import Session
from penname.training.packing import TrainingSample

GENERATOR = "generator"
"""Prefix of its stages' names."""


def shared_generator(session: Session) -> Path | None:
    """The folder of the shared generator, fine-tuned once a run; None where the recipe does not fine-tune it.

    Each training example has the prompt of one of the methods, which are assigned at random, all equally often. PaT's
    summaries are those of untrained agents, sometimes only one of the two.
    """
    return session.once((GENERATOR,), lambda: _tune_generator(session)) if session.recipe.tune_generator else None


def _tune_generator(session: Session) -> Path:
    base = locate_model(session.recipe.generator.model)
    kinds = list(dict.fromkeys(row.tuned_as for row in session.recipe.rows.values() if not row.trained))
    samples = partial(_tuning_samples, session, kinds)
    return train_stage(session, GENERATOR, base, samples, with_reasoning=False, facts={"prompts_of": kinds})


def _tuning_samples(session: Session, kinds: Sequence[str]) -> list[TrainingSample]:
    train = session.prepare_fitting("train")
    order = random.Random(f"{session.recipe.seed}-generator").sample(train, len(train))
    prompts: dict[str, Prompt] = {}
    for number, kind in enumerate(kinds):
        method = session.recipe.rows.get(kind) or METHODS[kind]
        assigned = order[number :: len(kinds)]
        contexts = find_contexts(session, "train") if method.shows_others else {}
        summaries: Summaries = {}
        if method.summaries_of:
            # These examples depend on the recipe's methods, which may change when a run is resumed.
            ids = hashlib.sha256("\n".join(e.example_id for e in assigned).encode()).hexdigest()[:8]
            stage = f"{GENERATOR}/summaries-{ids}"
            last = refine(session, stage, UNTRAINED, assigned, contexts, session.recipe.pat.rounds)[-1]
            summaries = {e.example_id: _in_part(last[e.example_id], i) for i, e in enumerate(assigned)}
        prompts |= {e.example_id: method_prompt(session, method, e, contexts, summaries) for e in assigned}
    samples = [TrainingSample(prompts[e.example_id].tokens, session.renderer.target(e.output)) for e in train]
    return within_limit(session, samples)


def _in_part(written: Mapping[AgentName, str], number: int) -> Mapping[AgentName, str]:
    """Drop style in one of four examples and topic in another: the generator must write without these too."""
    return without(written, {1: "style", 2: "topic"}.get(number % 4))


def untuned(run: Path, recipe: Recipe) -> list[str]:
    """The recipe's methods whose prompts the run's generator was not fine-tuned on; none if it was not fine-tuned."""
    stage = run / GENERATOR / "training" / "stage.json"
    seen = read_json(stage).get("prompts_of") if stage.is_file() else None
    if seen is None:
        return []
    return [name for name, row in recipe.rows.items() if not row.trained and row.tuned_as not in seen]
