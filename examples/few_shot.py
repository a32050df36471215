"""A method: the untrained model is shown a user's shortest texts as examples, before it is asked.

penname train quickstart --run runs/shots --set 'methods=[rag, examples.few_shot:few_shot]'
"""

from collections.abc import Sequence

SHOTS = 2
PROMPT = "Here are texts by one person:\n\n{context}\n\nAnswer as this person would, in the same style. "


def few_shot(input: str, documents: Sequence[str]) -> tuple[str, list[str]]:
    """The text that the model is asked, in which documents stand for `{context}`, and these documents.

    input: the example's input prompt. documents: those that the recipe's retriever found for it, best first. Where the
    prompt is too long, documents are shortened, the last ones first.
    """
    return PROMPT + input, sorted(documents, key=len)[:SHOTS]
