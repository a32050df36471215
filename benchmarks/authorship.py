"""How well the reward `authorship` tells who really wrote a text, on texts and users it was not fitted on.

For the bundled corpus and LongLaMP's four tasks it is fitted on the train split; of each validation user one half of
the documents stands for the user, and each text of the other half is scored with its own user and with others. AUC: how
probable it is that a text scores higher with its own user than with another, over all pairs; top of 2 and of 10: the
share of texts that score highest with their own user among one and among nine others. The ratio is the mean AUC.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from common import LONGLAMP, TASKS, finish, parser, run
from sklearn.metrics import roc_auc_score

from penname.config import SourceConfig, Split
from penname.data.sources import load_split
from penname.rewards.authorship import MIN_DOCUMENTS, AuthorshipModel, fit_authorship, sample_documents

OTHERS = 9
MOST_TEXTS = 300
TARGET = 0.8


def users_of(source: SourceConfig, split: Split) -> dict[str, list[str]]:
    """The documents of each user of a split, as the reward takes them."""
    found: dict[str, dict[str, None]] = {}
    for example in load_split([source], split, None, 0):
        found.setdefault(example.user_id, {}).update(dict.fromkeys(d.text for d in example.profile))
    return {user: sample_documents(list(own), user, 0) for user, own in found.items()}


def agreement(model: AuthorshipModel, users: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """AUC and how often a text's own user comes first."""
    users = {user: own for user, own in users.items() if len(own) >= MIN_DOCUMENTS}
    known = {user: own[: len(own) // 2] for user, own in users.items()}
    asked = [(user, text) for user, own in users.items() for text in own[len(own) // 2 :]]
    drawn = random.Random(0)
    scores: list[float] = []
    labels: list[int] = []
    first = {1: 0, OTHERS: 0}
    asked = drawn.sample(asked, min(MOST_TEXTS, len(asked)))
    for user, text in asked:
        wrong = drawn.sample([name for name in sorted(users) if name != user], min(OTHERS, len(users) - 1))
        own, *others = model.rewards([(tuple(known[name]), text) for name in (user, *wrong)])
        scores += [own, *others]
        labels += [1, *[0] * len(others)]
        for number in first:
            first[number] += own > max(others[:number])
    share = {f"top of {number + 1}": right / len(asked) for number, right in first.items()}
    return {"AUC": float(roc_auc_score(labels, scores)), **share, "users": len(users), "texts": len(asked)}


def main() -> None:
    given = parser(__doc__).parse_args()
    sources = {"presidents": SourceConfig(format="presidents")}
    if not given.quick:
        sources |= {task: SourceConfig(format="longlamp", path=f"{LONGLAMP}/{task}") for task in TASKS}
    found = {}
    for name, source in sources.items():
        found[name] = agreement(fit_authorship(users_of(source, "train"), 0), users_of(source, "val"))
        print(name, {key: round(value, 3) for key, value in found[name].items()}, flush=True)
    finish(sum(own["AUC"] for own in found.values()) / len(found), TARGET, agreement=found)


if __name__ == "__main__":
    run(main)
