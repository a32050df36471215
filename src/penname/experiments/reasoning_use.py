"""Does a model use its reasoning? A comparison of responses after its own reasoning, another user's, and none.

Ours. Each response is generated anew after the given reasoning, so the three conditions differ in nothing else. If
responses are no better after the user's own reasoning than after another's, the model does not use it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from penname.config import Split
from penname.errors import UserError
from penname.experiments.train import evaluate_in_run, model_of
from penname.method_table import METHODS, Method
from penname.runs.folder import Record
from penname.session.evaluate import GivenReasonings, evaluate_method
from penname.session.examples import PreparedExample
from penname.session.session import Session

OWN, OTHERS, NONE = "own", "another user's", "none"


def reasoning_use(session: Session, method: Method, split: Split) -> dict[str, list[Record]]:
    """The per-example records of a method in each condition, on the examples for which it wrote a reasoning itself.

    session: the session of the run.
    method: a method that reasons.
    split: the split to write for.

    The records are kept in the run, like the method's ordinary evaluation, which is computed first if it is missing.
    Raises UserError for a method without reasoning, and where no two users of a task have one.
    """
    if not method.reasoning:
        names = ", ".join(name for name, row in METHODS.items() if row.reasoning)
        raise UserError(f"{method.name} does not reason, expected one of {names}")
    reasonings = {r["example_id"]: r["reasoning"] for r in evaluate_in_run(session, method, split) if r["reasoning"]}
    examples = [e for e in session.prepare_fitting(split) if e.example_id in reasonings]
    swapped = {
        e.example_id: reasonings[other.example_id] for e, other in pair_with_other_users(examples, session.recipe.seed)
    }
    if not swapped:
        raise UserError(f"{method.name}: found no two users of a task with a reasoning, expected some to exchange")
    given = {
        OWN: GivenReasonings("reasoning-own", {i: reasonings[i] for i in swapped}),
        OTHERS: GivenReasonings("reasoning-others", swapped),
        NONE: GivenReasonings("reasoning-none", dict.fromkeys(swapped, "")),
    }
    model = model_of(session, method)
    return {
        condition: evaluate_method(session, method.name, model, split, with_reasoning=True, given=of_condition)
        for condition, of_condition in given.items()
    }


def pair_with_other_users(
    examples: Sequence[PreparedExample], seed: int
) -> list[tuple[PreparedExample, PreparedExample]]:
    """Pair each example with a random one of another user in its task; examples without one are skipped.

    examples: the examples.
    seed: seed of the random choice.
    """
    pairs = []
    for example in examples:
        others = [e for e in examples if e.task == example.task and e.user_id != example.user_id]
        if others:
            pairs.append((example, random.Random(f"{seed}-{example.example_id}").choice(others)))
    return pairs
