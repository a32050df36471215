"""The generator shared by all methods that train none of their own, fine-tuned where a recipe says so."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from penname.config import Recipe
from penname.engines.models import locate_model
from penname.method_table import METHODS, AgentName, Method
from penname.pat.agents import UNTRAINED, Summaries, refine, without
from penname.pat.contexts import find_contexts
from penname.pat.prompts import method_prompt
from penname.prompts.render import Prompt
from penname.runs.folder import read_json
from penname.session import stage_names
from penname.session.fine_tune import train_stage, within_limit
from penname.session.session import Session
from penname.session.stage_names import GENERATOR
from penname.training.packing import TrainingSample


def shared_generator(session: Session) -> Path | None:
    """The model of all methods that train none of their own: fine-tuned once if the recipe says so.

    Each training example is shown with the prompt of one of these methods, all of them equally often, drawn by the
    seed; PaT's summaries are those of agents as they are, and sometimes one of them alone.
    """
    return session.once((GENERATOR,), lambda: _tune_generator(session)) if session.recipe.tune_generator else None


def _tune_generator(session: Session) -> Path:
    base = locate_model(session.recipe.generator.model)
    shown = methods_shown(session.recipe)
    facts = {"prompts_of": [method.name for method in shown]}
    samples = partial(_tuning_samples, session, shown)
    return train_stage(session, GENERATOR, base, samples, with_reasoning=False, facts=facts)


def methods_shown(recipe: Recipe) -> list[Method]:
    """The methods whose prompts the generator is fine-tuned on, each on as many training examples as the others."""
    names = dict.fromkeys(row.tuned_as for row in recipe.method_rows.values() if not row.trained)
    return [recipe.method_rows.get(name) or METHODS[name] for name in names]


def _tuning_samples(session: Session, shown: Sequence[Method]) -> list[TrainingSample]:
    train = session.prepare_fitting("train")
    order = random.Random(f"{session.recipe.seed}-generator").sample(train, len(train))
    prompts: dict[str, Prompt] = {}
    for number, method in enumerate(shown):
        own = order[number :: len(shown)]
        contexts = find_contexts(session, "train") if method.shows_others else {}
        summaries: Summaries = {}
        if method.summaries_of:
            # Which examples these are depends on the recipe's methods, which may change where a run goes on.
            ids = hashlib.sha256("\n".join(e.example_id for e in own).encode()).hexdigest()[:8]
            stage = stage_names.generator_summaries(ids)
            last = refine(session, stage, UNTRAINED, own, contexts, session.recipe.pat.rounds)[-1]
            summaries = {e.example_id: _in_part(last[e.example_id], i) for i, e in enumerate(own)}
        prompts |= {e.example_id: method_prompt(session, method, e, contexts, summaries) for e in own}
    samples = [TrainingSample(prompts[e.example_id].tokens, session.renderer.target(e.output)) for e in train]
    return within_limit(session, samples, with_reasoning=False)


def _in_part(written: Mapping[AgentName, str], number: int) -> Mapping[AgentName, str]:
    """Of four one without style and one without topic: the generator is asked to write without these too."""
    return without(written, {1: "style", 2: "topic"}.get(number % 4))


def untuned(run: Path, recipe: Recipe) -> list[str]:
    """The recipe's methods whose prompts the run's generator has not seen, if it was fine-tuned."""
    stage = run / stage_names.training(GENERATOR) / "stage.json"
    seen = read_json(stage).get("prompts_of") if stage.is_file() else None
    if seen is None:
        return []
    return [name for name, row in recipe.method_rows.items() if not row.trained and row.tuned_as not in seen]
