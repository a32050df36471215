"""What the methods for users without history show: documents of others, each found in the graph of its own split."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penname.config import SourceConfig
from penname.data.duplicates import Original
from penname.data.layouts import shown_text
from penname.data.records import Document, Example
from penname.data.report import Report
from penname.data.sources import read_documents, shared_names
from penname.errors import UserError
from penname.graph.user_topic import Vectors, build_graph, cluster, topics_of
from penname.methods.workbench import RANKED_AT_ONCE, Split, Workbench, part_name
from penname.retrieval.dense import DenseRanking
from penname.retrieval.retrieve import DocumentsName, Tell, retrieve_all
from penname.runs.store import Record, read_stage

if TYPE_CHECKING:
    from penname.graph.trajectories import Finder, Trajectories

STYLE = "style-model"


@dataclass(frozen=True)
class Contexts:
    """Documents, best first.

    own: of the user. neighbours: of others on the target's item. random: of any others. These are shown as the data's
    layout shows them, and the following as PaT's prompts do. history: the same as `own`. style: of users who write
    alike. topic: of the topic trajectory; levels: where each of these was found. exact_topic: of its first level only.
    """

    example_id: str
    own: tuple[str, ...]
    neighbours: tuple[str, ...]
    random: tuple[str, ...]
    history: tuple[str, ...]
    style: tuple[str, ...]
    topic: tuple[str, ...]
    levels: tuple[str, ...]
    exact_topic: tuple[str, ...]


@lru_cache(maxsize=8)
def find_contexts(bench: Workbench, split: Split, history: int | None = None) -> dict[str, Contexts]:
    """The contexts of a split's examples, by id. history: as `Workbench.examples` takes it."""
    # With torch-geometric, which takes seconds.
    from penname.graph.files import save_style
    from penname.graph.style import fit_features, train_style

    recipe = bench.recipe
    name = f"contexts/{part_name(split, history)}"

    def tell(note: str) -> None:
        bench.run.progress.advance(0, note=note)

    encode = sentence_encoder(tell)

    def style(folder: Path) -> Record:
        documents, _ = of_all_sources(recipe.data, "train")
        if not documents:
            raise UserError("train: found no document of any user, expected some to make the user-topic graph of")
        settings = recipe.pat.style
        bench.run.progress.start(STYLE, settings.epochs, "epochs")
        texts = [d.text for d in documents]
        features, made = fit_features(texts, encode if settings.sentence_vectors else None)
        vectors = encode(texts)
        without_item = np.array([d.item_id is None for d in documents])
        clusters = None
        if without_item.any():
            clusters = cluster(vectors[without_item], recipe.pat.clusters, recipe.seed)
        graph = build_graph(documents, topics_of(documents, vectors, clusters))
        model = train_style(made, graph, settings, recipe.seed, lambda: bench.run.progress.advance(1))
        save_style(folder, features, model, clusters)
        bench.run.progress.finish(f"{len(documents)} documents")
        return {"documents": len(documents), "users": len(graph.users), "topics": len(graph.topics)}

    @cache
    def finder(source: int) -> Finder:
        own = recipe.data[source]
        # Where a split's users are all new, what others wrote is that of the users the style model was trained on.
        documents = list(read_documents(own, split, Report())) or list(read_documents(own, "train", Report()))
        if not documents:
            raise UserError(f"{split}: found no document of any user, expected some to make the user-topic graph of")
        shared = shared_names(own, documents)
        return load_finder(bench.run.folder, documents, shared, encode, recipe.pat.nearest_topics)

    def with_neighbours(source: int, example: Example) -> Example:
        """PGraphRAG's data comes with them; elsewhere they are what the graph holds on the item."""
        if recipe.data[source].format == "pgraphrag":
            return example
        return replace(example, neighbours=finder(source).on_item(example))

    def work(examples: Sequence[tuple[int, Example]]) -> list[Record]:
        asked = [with_neighbours(*pair) for pair in examples]

        def retrieved(side: DocumentsName) -> list[list[Document]]:
            found = retrieve_all(asked, bench.retriever(), recipe.retrieval.k, side, tell)
            return [documents for _, documents in found]

        found: list[Trajectories] = []
        for source, of_source in groupby(examples, key=lambda pair: pair[0]):
            found += finder(source).find_all([example for _, example in of_source], recipe.pat.k)
        return [
            asdict(_contexts(bench, example, trajectories, finder(source).graph.documents, own, neighbours))
            for (source, example), trajectories, own, neighbours in zip(
                examples, found, retrieved("own"), retrieved("neighbours"), strict=True
            )
        ]

    def stage(folder: Path) -> Record:
        bench.run.stage(STYLE, style)
        examples = _examples(bench, split, history)
        records = bench.run.shards(name, examples, RANKED_AT_ONCE, work)
        levels = [level for record in records for level in record["levels"]]
        counts = {level: levels.count(level) for level in dict.fromkeys(levels)}
        told = ", ".join(f"{count} {level}" for level, count in counts.items()) or "none found"
        bench.run.progress.say(f"{name}: topic documents by level: {told}")
        return {"examples": len(records), "levels": counts}

    bench.run.stage(name, stage)
    return {record["example_id"]: _read(record) for record in read_stage(bench.run.path(name))}


def sentence_encoder(tell: Tell) -> Callable[[Sequence[str]], Vectors]:
    """Gives sentence vectors of length 1, shape (texts, dimension)."""
    encoder = DenseRanking(None, pooling="model default", normalize=True)

    def encode(texts: Sequence[str]) -> Vectors:
        vectors = encoder.vectors(list(dict.fromkeys(texts)), tell)
        return np.stack([vectors[text] for text in texts])

    return encode


def load_finder(
    run: Path,
    documents: Sequence[Document],
    shared: Collection[str],
    encode: Callable[[Sequence[str]], Vectors],
    nearest_topics: int,
) -> Finder:
    """What finds trajectories in the graph of these documents, by the style model that a run has trained.

    shared: the users of these documents who are many people.
    """
    # With torch-geometric, which takes seconds.
    from penname.graph.files import load_style
    from penname.graph.trajectories import Finder

    features, model, clusters = load_style(run / STYLE, encode)
    made = features.of_texts([d.text for d in documents])
    return Finder(documents, model, features, made, encode, nearest_topics, clusters, shared)


def _read(record: Record) -> Contexts:
    lists = {name: tuple(texts) for name, texts in record.items() if name != "example_id"}
    return Contexts(record["example_id"], **lists)


def _examples(bench: Workbench, split: Split, history: int | None) -> list[tuple[int, Example]]:
    """The examples that `Workbench.prepare` reads, each with its source's number."""
    counts = [len(bench.load([source], split, history, Report())) for source in bench.recipe.data]
    numbers = [number for number, count in enumerate(counts) for _ in range(count)]
    return list(zip(numbers, bench.examples(split, history, Report()), strict=True))


def of_all_sources(sources: Sequence[SourceConfig], split: Split) -> tuple[list[Document], set[str]]:
    """All documents, and their users who are many people.

    Users and items of different sources are different ones, also where they are named alike: see `name_apart`.
    """
    found: list[Document] = []
    shared: set[str] = set()
    for number, source in enumerate(sources):
        documents = list(read_documents(source, split, Report()))
        shared |= {name_apart(number, name) for name in shared_names(source, documents)}
        found += [
            replace(
                d,
                user_id=name_apart(number, d.user_id),
                item_id=None if d.item_id is None else name_apart(number, d.item_id),
            )
            for d in documents
        ]
    return found, shared


def name_apart(source: int, name: str) -> str:
    """What a user or an item of a source is called where those of all sources stand together."""
    return f"{source} {name}"


def _contexts(
    bench: Workbench,
    example: Example,
    found: Trajectories,
    documents: Sequence[Document],
    own: Sequence[Document],
    neighbours: Sequence[Document],
) -> Contexts:
    def shown(documents: Sequence[Document]) -> tuple[str, ...]:
        return tuple(shown_text(example, document) for document in documents)

    exact = [d for d, level in zip(found.topic, found.levels, strict=True) if level == "topic"]
    return Contexts(
        example.id,
        shown(own),
        shown(neighbours),
        shown(_random(example, documents, bench.recipe.retrieval.k, bench.recipe.seed)),
        listed(example, own),
        listed(example, found.style),
        listed(example, found.topic),
        tuple(found.levels),
        listed(example, exact),
    )


def listed(example: Example, documents: Sequence[Document]) -> tuple[str, ...]:
    """As PaT's prompts show them: the title before the text, and the rating where one is asked for."""
    rated = example.layout == "pgraphrag_rating"
    titled = [f"{d.title}: {d.text}" if d.title else d.text for d in documents]
    return tuple(
        f"{text} (rated {d.rating:g})" if rated and d.rating is not None else text
        for d, text in zip(documents, titled, strict=True)
    )


def _random(example: Example, documents: Sequence[Document], k: int, seed: int) -> list[Document]:
    """k documents of any others, none of which holds the expected output."""
    drawn = random.Random(f"{seed}-{example.id}")
    original = Original(example.output or "")
    chosen: list[Document] = []
    for place in drawn.sample(range(len(documents)), len(documents)):
        if len(chosen) == k:
            break
        if documents[place].user_id != example.user_id and not original.held_by(documents[place]):
            chosen.append(documents[place])
    return chosen
