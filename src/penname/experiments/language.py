"""The language of a run's texts: the words that metrics compare, and what metrics mean there."""

from __future__ import annotations

from pathlib import Path

from penname.config import Recipe, Split
from penname.data.sources import load_split
from penname.experiments.run_recipe import as_in_run
from penname.runs.folder import Progress
from penname.words import other_letters, words_for

VECTORS = ("cosine", "bertscore")
"""The rewards that compare an encoder's vectors."""


def with_chosen_words(recipe: Recipe, folder: Path, progress: Progress) -> Recipe:
    """The recipe of a run with its words in place of `auto`, chosen from the outputs when the run is started.

    recipe: the recipe.
    folder: the run's folder; a run that was started before keeps its words.
    progress: is told the choice.
    """
    recipe = as_in_run(recipe, folder)
    if recipe.reward.words != "auto":
        return recipe
    split: Split = "train" if recipe.learns else recipe.evaluation.split
    examples = load_split(recipe.data, split, getattr(recipe.limit, split), recipe.seed)
    share = other_letters(example.output or "" for example in examples)
    words = words_for(share)
    progress.say(f"reward.words: {words}, as {share:.1%} of the letters in the {split} outputs are none of a to z")
    return recipe.model_copy(update={"reward": recipe.reward.model_copy(update={"words": words})})


def notes_on_language(recipe: Recipe) -> list[str]:
    """What the metrics of a run mean for texts that are not English, where its words say that they are not."""
    if recipe.reward.words != "unicode":
        return []
    names = recipe.rewards_in_use()
    notes = ["METEOR matches equal words only: its stems and synonyms are English"] if "meteor" in names else []
    vectors = [name for name in VECTORS if name in names and recipe.reward.encoder is None]
    if recipe.retrieval.retriever == "dense" and recipe.retrieval.encoder is None:
        vectors.append("retrieval by dense")
    if recipe.pat.style.sentence_vectors and any(row.shows_others for row in recipe.method_rows.values()):
        vectors.append("PaT's sentence vectors")
    if vectors:
        notes.append(
            f"the bundled encoder knows English only, and {', '.join(vectors)} may mean little for these texts"
        )
    return notes
