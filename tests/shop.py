"""Reviews of a small shop in PGraphRAG's format: two ways of writing, and in each target a word of its own."""

import json
from difflib import SequenceMatcher

import numpy as np

from penname.config import SourceConfig

WAYS = ("it was fine, i guess, nothing much to say about the", "GREAT!!! I LOVE IT!!! everyone must try the")
ITEMS = ("soap", "comb", "rope", "lamp", "tent", "boat")


def secret(user):
    """A word that stands in this user's target alone."""
    return f"secretword{user}x"


def write(folder, secrets=secret, users=40, split="dev"):
    generator = np.random.default_rng(0)
    records = []
    for u in range(users):
        items = [*generator.choice(ITEMS, generator.integers(1, 4)), ITEMS[u % 6]]
        words = [" ".join(generator.choice(list("abcdefghij"), 5)) for _ in items]
        reviews = [
            {
                "rating": 5 if u % 2 else 2,
                "title": f"The {item}",
                "text": f"{WAYS[u % 2]} {item} {word} {secrets(u) if i == 0 else ''}",
                "pid": item,
            }
            for i, (item, word) in enumerate(zip(items[: 1 + u % 3], words, strict=False))
        ]
        records.append({"id": f"user{u}", "profile": reviews})
    path = folder / f"shop_{split}.json"
    path.write_text(json.dumps(records))
    return SourceConfig(format="pgraphrag", path=str(path))


def likeness(item):
    """A reward that sees any difference between two texts: the share of letters that a response has in common."""
    return SequenceMatcher(None, item.expected_output, item.response, autojunk=False).ratio()
