"""The generator shared by all methods without one of their own, which is fine-tuned if the recipe says so."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from penname.config import Recipe
from penname.engines.models import locate_model
from penname.method_table import METHODS, AgentName, Method
from penname.pat.agents import UNTRAINED, Summaries, drop_agent, refine
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
    """The folder of the shared generator, fine-tuned once if the recipe says so; None for the recipe's model.

    session: the session of the run.

    Each training example has the prompt of one of the methods that share the generator; the seed decides which, and
    each method is as frequent as the others. PaT's summaries are written by untrained agents, and some prompts show
    only one of the two. The fine-tuning is ours.
    """
    return session.cached((GENERATOR,), lambda: _tune_generator(session)) if session.recipe.tune_generator else None


def _tune_generator(session: Session) -> Path:
    base = locate_model(session.recipe.generator.model)
    shown = tuning_methods(session.recipe)
    facts = {"prompts_of": [method.name for method in shown]}
    samples = partial(_tuning_samples, session, shown)
    return train_stage(session, GENERATOR, base, samples, with_reasoning=False, facts=facts)


def tuning_methods(recipe: Recipe) -> list[Method]:
    """The methods whose prompts the generator is fine-tuned on, each with an equal share of the training examples."""
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
            # The name tells the examples apart, as they depend on the recipe's methods, and a resumed run may add some.
            ids = hashlib.sha256("\n".join(e.example_id for e in own).encode()).hexdigest()[:8]
            stage = stage_names.generator_summaries(ids)
            last = refine(session, stage, UNTRAINED, own, contexts, session.recipe.pat.rounds)[-1]
            summaries = {e.example_id: _drop_some(last[e.example_id], i) for i, e in enumerate(own)}
        prompts |= {e.example_id: method_prompt(session, method, e, contexts, summaries) for e in own}
    samples = [TrainingSample(prompts[e.example_id].tokens, session.renderer.target(e.output)) for e in train]
    return within_limit(session, samples, with_reasoning=False)


def _drop_some(summaries: Mapping[AgentName, str], number: int) -> Mapping[AgentName, str]:
    """Of every four examples, drop style from one and topic from another: ablations write without one of them too."""
    return drop_agent(summaries, {1: "style", 2: "topic"}.get(number % 4))


def methods_not_tuned_on(run: Path, recipe: Recipe) -> list[str]:
    """The recipe's methods whose prompts the run's generator was not fine-tuned on; none if it was not fine-tuned."""
    stage = run / stage_names.training(GENERATOR) / "stage.json"
    seen = read_json(stage).get("prompts_of") if stage.is_file() else None
    if seen is None:
        return []
    return [name for name, row in recipe.method_rows.items() if not row.trained and row.tuned_as not in seen]
