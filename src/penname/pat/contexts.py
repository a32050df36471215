"""Contexts for users without history: other users' documents, retrieved from the user-topic graph of the split."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penname.config import SourceConfig, Split
from penname.data.duplicates import Original
from penname.data.layouts import shown_text
from penname.data.records import Document, Example
from penname.data.report import Report
from penname.data.sources import read_documents, shared_names
from penname.errors import UserError
from penname.pat.graph.user_topic import Vectors, build_graph, cluster, topics_of
from penname.retrieval.dense import DenseRanking
from penname.retrieval.retrieve import DocumentsName, Tell, retrieve_all
from penname.runs.folder import Record, read_stage
from penname.session.examples import RANKED_AT_ONCE, part_name
from penname.session.session import Session

if TYPE_CHECKING:
    from penname.pat.graph.trajectories import Finder, Trajectories

STYLE = "style-model"


@dataclass(frozen=True)
class Contexts:
    """The documents for an example's prompts, best first.

    Formatted by the data's layout:
    own: the user's own documents.
    neighbours: other users' documents on the target's item.
    random: random documents of other users.

    Formatted as in PaT's prompts:
    history: the documents of `own`.
    style: the style trajectory, documents of users with a similar style.
    topic: the topic trajectory.
    levels: the backoff level of each document of `topic`.
    exact_topic: the documents of `topic` at its first level.
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


def find_contexts(session: Session, split: Split, history: int | None = None) -> dict[str, Contexts]:
    """The contexts of a split's examples, by id.

    history: see `Session.examples`.
    """
    return session.once(("contexts", split, history), lambda: _find_contexts(session, split, history))


def _find_contexts(session: Session, split: Split, history: int | None) -> dict[str, Contexts]:
    name = f"contexts/{part_name(split, history)}"
    session.run.stage(name, lambda folder: _find_in_graph(session, name, split, history))
    return {record["example_id"]: _read(record) for record in read_stage(session.run.path(name))}


def _find_in_graph(session: Session, name: str, split: Split, history: int | None) -> Record:
    """Train the style model, if it is not trained yet, and find the contexts of all examples, a shard at a time."""
    session.run.stage(STYLE, lambda folder: _train_style_model(session, folder))
    examples = _examples(session, split, history)
    find = partial(_find_for_shard, session, Finders(session, split))
    records = session.run.shards(name, examples, RANKED_AT_ONCE, find)
    levels = [level for record in records for level in record["levels"]]
    counts = {level: levels.count(level) for level in dict.fromkeys(levels)}
    shown = ", ".join(f"{count} {level}" for level, count in counts.items()) or "none found"
    session.run.progress.say(f"{name}: topic documents by level: {shown}")
    return {"examples": len(records), "levels": counts}


def _train_style_model(session: Session, folder: Path) -> Record:
    # Imported here because torch-geometric takes seconds to load.
    from penname.pat.graph.files import save_style
    from penname.pat.graph.style import fit_features, train_style

    recipe, progress, encode = session.recipe, session.run.progress, _encoder(session)
    documents, _ = of_all_sources(recipe.data, "train")
    if not documents:
        raise UserError("train: found no document of any user, expected some to make the graph of")
    settings = recipe.pat.style
    progress.start(STYLE, settings.epochs, "epochs")
    texts = [d.text for d in documents]
    features, document_features = fit_features(texts, encode if settings.sentence_vectors else None)
    vectors = encode(texts)
    without_item = np.array([d.item_id is None for d in documents])
    clusters = None
    if without_item.any():
        clusters = cluster(vectors[without_item], recipe.pat.clusters, recipe.seed)
    graph = build_graph(documents, topics_of(documents, vectors, clusters))
    model = train_style(document_features, graph, settings, recipe.seed, lambda: progress.advance(1))
    save_style(folder, features, model, clusters)
    progress.finish(f"{len(documents)} documents")
    return {"documents": len(documents), "users": len(graph.users), "topics": len(graph.topics)}


class Finders:
    """A `Finder` for each source of the data, made on first use."""

    def __init__(self, session: Session, split: Split) -> None:
        self._session = session
        self._split = split
        self._made: dict[int, Finder] = {}

    def of_source(self, source: int) -> Finder:
        """The finder of a source, by index. Raises UserError where there are no documents."""
        if source not in self._made:
            recipe = self._session.recipe
            config, split = recipe.data[source], self._split
            # If no user of the split has documents, others' documents are those that the style model was trained on.
            documents = list(read_documents(config, split, Report())) or list(read_documents(config, "train", Report()))
            if not documents:
                raise UserError(
                    f"{split}: found no document of any user, expected some to make the user-topic graph of"
                )
            shared, encode = shared_names(config, documents), _encoder(self._session)
            run = self._session.run.folder
            self._made[source] = load_finder(run, documents, shared, encode, recipe.pat.nearest_topics)
        return self._made[source]


def _find_for_shard(session: Session, finders: Finders, examples: Sequence[tuple[int, Example]]) -> list[Record]:
    """The contexts of (source index, example) pairs."""
    complete = [_with_neighbours(session, finders, *pair) for pair in examples]
    own, neighbours = _retrieved(session, complete, "own"), _retrieved(session, complete, "neighbours")
    trajectories: list[Trajectories] = []
    for source, of_source in groupby(examples, key=lambda pair: pair[0]):
        trajectories += finders.of_source(source).find_all([example for _, example in of_source], session.recipe.pat.k)
    return [
        asdict(_contexts(session, example, of_example, finders.of_source(source).graph.documents, mine, others))
        for (source, example), of_example, mine, others in zip(examples, trajectories, own, neighbours, strict=True)
    ]


def _with_neighbours(session: Session, finders: Finders, source: int, example: Example) -> Example:
    """The example with its neighbours: PGraphRAG's data has them; for other data they come from the graph."""
    if session.recipe.data[source].format == "pgraphrag":
        return example
    return replace(example, neighbours=finders.of_source(source).on_item(example))


def _retrieved(session: Session, examples: Sequence[Example], side: DocumentsName) -> list[list[Document]]:
    retrieved = retrieve_all(examples, session.retriever(), session.recipe.retrieval.k, side, _tell(session))
    return [documents for _, documents in retrieved]


def _encoder(session: Session) -> Callable[[Sequence[str]], Vectors]:
    return session.once(("sentence encoder",), lambda: sentence_encoder(_tell(session)))


def _tell(session: Session) -> Tell:
    return lambda note: session.run.progress.advance(0, note=note)


def sentence_encoder(tell: Tell) -> Callable[[Sequence[str]], Vectors]:
    """The bundled sentence encoder: a function to normalized embeddings, shape (texts, dimension)."""
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
    """A `Finder` on the graph of these documents, with the style model that a run has trained.

    run: its folder.
    documents: of all users.
    shared: users whose id is a name shared by many people.
    encode: see `sentence_encoder`.
    nearest_topics: see `TopicIndex`.
    """
    # Imported here because torch-geometric takes seconds to load.
    from penname.pat.graph.files import load_style
    from penname.pat.graph.trajectories import Finder

    features, model, clusters = load_style(run / STYLE, encode)
    document_features = features.of_texts([d.text for d in documents])
    return Finder(documents, model, features, document_features, encode, nearest_topics, clusters, shared)


def _read(record: Record) -> Contexts:
    lists = {name: tuple(texts) for name, texts in record.items() if name != "example_id"}
    return Contexts(record["example_id"], **lists)


def _examples(session: Session, split: Split, history: int | None) -> list[tuple[int, Example]]:
    """The examples that `Session.prepare` reads, each with the index of its source."""
    counts = [len(session.load([source], split, history, Report())) for source in session.recipe.data]
    numbers = [number for number, count in enumerate(counts) for _ in range(count)]
    return list(zip(numbers, session.examples(split, history, Report()), strict=True))


def of_all_sources(sources: Sequence[SourceConfig], split: Split) -> tuple[list[Document], set[str]]:
    """All documents of a split, and the users whose id is a name shared by many people.

    Users and items of different sources are different, even with the same name: see `name_apart`.
    """
    merged: list[Document] = []
    shared: set[str] = set()
    for number, source in enumerate(sources):
        documents = list(read_documents(source, split, Report()))
        shared |= {name_apart(number, name) for name in shared_names(source, documents)}
        merged += [
            replace(
                d,
                user_id=name_apart(number, d.user_id),
                item_id=None if d.item_id is None else name_apart(number, d.item_id),
            )
            for d in documents
        ]
    return merged, shared


def name_apart(source: int, name: str) -> str:
    """The unique name of a source's user or item among those of all sources."""
    return f"{source} {name}"


def _contexts(
    session: Session,
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
        shown(_random(example, documents, session.recipe.retrieval.k, session.recipe.seed)),
        listed(example, own),
        listed(example, found.style),
        listed(example, found.topic),
        tuple(found.levels),
        listed(example, exact),
    )


def listed(example: Example, documents: Sequence[Document]) -> tuple[str, ...]:
    """Documents as PaT's prompts show them: the title before the text, and the rating where the output is one."""
    rated = example.layout == "pgraphrag_rating"
    titled = [f"{d.title}: {d.text}" if d.title else d.text for d in documents]
    return tuple(
        f"{text} (rated {d.rating:g})" if rated and d.rating is not None else text
        for d, text in zip(documents, titled, strict=True)
    )


def _random(example: Example, documents: Sequence[Document], k: int, seed: int) -> list[Document]:
    """k random documents of other users, none of which holds a copy of the expected output."""
    rng = random.Random(f"{seed}-{example.id}")
    original = Original(example.output or "")
    chosen: list[Document] = []
    for i in rng.sample(range(len(documents)), len(documents)):
        if len(chosen) == k:
            break
        if documents[i].user_id != example.user_id and not original.held_by(documents[i]):
            chosen.append(documents[i])
    return chosen
