"""Does a model that reasons use its reasoning? The reward of responses behind its own, another user's, and none.

Ours. Each response is written anew behind a reasoning that is given, so the three differ in nothing else. If a
response is no better behind the user's own reasoning than behind another's, the model does not use it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from penname.config import Split
from penname.errors import UserError
from penname.experiments.train import evaluate_in_run, model_of
from penname.method_table import METHODS, Method
from penname.runs.folder import Record
from penname.session.evaluate import Given, evaluate_method
from penname.session.examples import Prepared
from penname.session.session import Session

OWN, OTHERS, NONE = "own", "another user's", "none"


def reasoning_use(session: Session, method: Method, split: Split) -> dict[str, list[Record]]:
    """Per-example records of `method` by whose reasoning was given; of the examples for which it wrote one itself.

    They stay in the run, beside its ordinary evaluation, which is made first where it is not there yet. Raises
    UserError for a method without reasoning, and where no two users of a task have one.
    """
    if not method.reasoning:
        known = ", ".join(name for name, row in METHODS.items() if row.reasoning)
        raise UserError(f"{method.name} does not reason, expected one of {known}")
    own = {r["example_id"]: r["reasoning"] for r in evaluate_in_run(session, method, split) if r["reasoning"]}
    examples = [e for e in session.prepare_fitting(split) if e.example_id in own]
    swapped = {e.example_id: own[other.example_id] for e, other in of_others(examples, session.recipe.seed)}
    if not swapped:
        raise UserError(f"{method.name}: found no two users of a task with a reasoning, expected some to exchange")
    given = {
        OWN: Given("reasoning-own", {i: own[i] for i in swapped}),
        OTHERS: Given("reasoning-others", swapped),
        NONE: Given("reasoning-none", dict.fromkeys(swapped, "")),
    }
    model = model_of(session, method)
    return {
        whose: evaluate_method(session, method.name, model, split, with_reasoning=True, given=reasonings)
        for whose, reasonings in given.items()
    }


def of_others(examples: Sequence[Prepared], seed: int) -> list[tuple[Prepared, Prepared]]:
    """Each example with one of another user of its task, drawn by the seed; those without such a one are left out."""
    pairs = []
    for example in examples:
        others = [e for e in examples if e.task == example.task and e.user_id != example.user_id]
        if others:
            pairs.append((example, random.Random(f"{seed}-{example.example_id}").choice(others)))
    return pairs
