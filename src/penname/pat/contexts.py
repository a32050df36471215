"""The documents that methods for users without history show, found in the user-topic graph of the example's split."""

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
from penname.data.duplicates import CopyDetector
from penname.data.layouts import shown_text
from penname.data.load_report import LoadReport
from penname.data.records import Document, Example
from penname.data.sources import read_documents, shared_names
from penname.errors import UserError
from penname.pat.graph.user_topic import Vectors, build_graph, cluster, topics_of
from penname.retrieval.dense import DenseRanking
from penname.retrieval.retrieve import DocumentsName, OnProgress, retrieve_all
from penname.runs.folder import Record, read_stage
from penname.session import stage_names
from penname.session.examples import PREPARED_PER_SHARD
from penname.session.session import Session
from penname.session.stage_names import STYLE_MODEL

if TYPE_CHECKING:
    from penname.pat.graph.trajectories import Finder, Trajectories


@dataclass(frozen=True)
class Contexts:
    """The documents that an example's prompts can show, as text and best first.

    own: the user's documents, formatted by the layout of the data.
    neighbours: other users' documents on the target's item, formatted by the layout.
    random: random documents of other users, formatted by the layout.
    history: the documents of `own`, formatted for PaT's prompts.
    style: documents of the style trajectory, formatted for PaT's prompts.
    topic: documents of the topic trajectory, formatted for PaT's prompts.
    levels: the backoff level of each document of `topic`.
    exact_topic: the documents of `topic` at the first backoff level.
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


def find_contexts(session: Session, split: Split, profile_size: int | None = None) -> dict[str, Contexts]:
    """The contexts of a split's examples, by example id.

    session: the session of the run.
    split: the split.
    profile_size: the number of documents that each user keeps; see `Session.examples`.
    """
    return session.cached(("contexts", split, profile_size), lambda: _find_contexts(session, split, profile_size))


def _find_contexts(session: Session, split: Split, profile_size: int | None) -> dict[str, Contexts]:
    name = stage_names.contexts(stage_names.split_name(split, profile_size))
    session.run.stage(name, lambda folder: _find_in_graph(session, name, split, profile_size))
    return {record["example_id"]: _contexts_of(record) for record in read_stage(session.run.path(name))}


def _find_in_graph(session: Session, name: str, split: Split, profile_size: int | None) -> Record:
    """Train the style model, if that is not done yet, and find the contexts of all examples, shard by shard."""
    session.run.stage(STYLE_MODEL, lambda folder: _train_style_model(session, folder))
    examples = _examples(session, split, profile_size)
    find = partial(_find_for_shard, session, Finders(session, split))
    records = session.run.shards(name, examples, PREPARED_PER_SHARD, find)
    levels = [level for record in records for level in record["levels"]]
    counts = {level: levels.count(level) for level in dict.fromkeys(levels)}
    level_counts = ", ".join(f"{count} {level}" for level, count in counts.items()) or "none found"
    session.run.progress.say(f"{name}: topic documents by level: {level_counts}")
    return {"examples": len(records), "levels": counts}


def _train_style_model(session: Session, folder: Path) -> Record:
    # These import torch-geometric, which takes seconds.
    from penname.pat.graph.files import save_style
    from penname.pat.graph.style import fit_features, train_style

    recipe, progress, encode = session.recipe, session.run.progress, _encoder(session)
    documents, _ = read_all_sources(recipe.data, "train")
    if not documents:
        raise UserError("train: found no document of any user, expected some to build the user-topic graph from")
    settings = recipe.pat.style
    progress.start(STYLE_MODEL, settings.epochs, "epochs")
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
    """The `Finder` of each source of the data, built when it is first needed.

    session: the session of the run.
    split: the split whose documents the graphs are built from.
    """

    def __init__(self, session: Session, split: Split) -> None:
        self._session = session
        self._split = split
        self._finders: dict[int, Finder] = {}

    def of_source(self, source: int) -> Finder:
        """The finder of the source with this index. Raises UserError where the source has no document."""
        if source not in self._finders:
            recipe = self._session.recipe
            own, split = recipe.data[source], self._split
            # If all users of a split are new, other users' documents are those that the style model was trained on.
            documents = list(read_documents(own, split, LoadReport())) or list(
                read_documents(own, "train", LoadReport())
            )
            if not documents:
                raise UserError(
                    f"{split}: found no document of any user, expected some to build the user-topic graph from"
                )
            shared, encode = shared_names(own, documents), _encoder(self._session)
            run = self._session.run.folder
            self._finders[source] = load_finder(run, documents, shared, encode, recipe.pat.nearest_topics)
        return self._finders[source]


def _find_for_shard(session: Session, finders: Finders, examples: Sequence[tuple[int, Example]]) -> list[Record]:
    """The contexts of examples, each given with the index of its source."""
    with_neighbours = [_add_neighbours(session, finders, *pair) for pair in examples]
    own_documents = _retrieve(session, with_neighbours, "own")
    neighbour_documents = _retrieve(session, with_neighbours, "neighbours")
    found: list[Trajectories] = []
    for source, of_source in groupby(examples, key=lambda pair: pair[0]):
        found += finders.of_source(source).find_all([example for _, example in of_source], session.recipe.pat.k)
    return [
        asdict(
            _build_contexts(session, example, trajectories, finders.of_source(source).graph.documents, own, neighbours)
        )
        for (source, example), trajectories, own, neighbours in zip(
            examples, found, own_documents, neighbour_documents, strict=True
        )
    ]


def _add_neighbours(session: Session, finders: Finders, source: int, example: Example) -> Example:
    """The example with its neighbours: those in PGraphRAG's data, or else the graph's documents on its item."""
    if session.recipe.data[source].format == "pgraphrag":
        return example
    return replace(example, neighbours=finders.of_source(source).neighbours_of(example))


def _retrieve(session: Session, examples: Sequence[Example], which: DocumentsName) -> list[list[Document]]:
    found = retrieve_all(examples, session.retriever(), session.recipe.retrieval.k, which, _note_progress(session))
    return [documents for _, documents in found]


def _encoder(session: Session) -> Callable[[Sequence[str]], Vectors]:
    return session.cached(("sentence encoder",), lambda: sentence_encoder(_note_progress(session)))


def _note_progress(session: Session) -> OnProgress:
    return lambda note: session.run.progress.advance(0, note=note)


def sentence_encoder(
    note_progress: OnProgress, kept: Collection[str] | None = None
) -> Callable[[Sequence[str]], Vectors]:
    """A function that computes normalized sentence embeddings, shape (texts, dimension).

    note_progress: called with a note on the encoder's progress.
    kept: the texts whose embeddings are kept on disk; None for all.
    """
    encoder = DenseRanking(None, pooling="model default", normalize=True)

    def encode(texts: Sequence[str]) -> Vectors:
        vectors = encoder.vectors(list(dict.fromkeys(texts)), note_progress, kept)
        return np.stack([vectors[text] for text in texts])

    return encode


def load_finder(
    run: Path,
    documents: Sequence[Document],
    shared: Collection[str],
    encode: Callable[[Sequence[str]], Vectors],
    nearest_topics: int,
) -> Finder:
    """A finder of trajectories in the graph of the documents, with the style model that a run has trained.

    run: the folder of the run.
    documents: the documents of all users.
    shared: users whose id is a name that many people share.
    encode: computes normalized sentence embeddings, shape (texts, dimension).
    nearest_topics: number of nearest topics to back off to.
    """
    # These import torch-geometric, which takes seconds.
    from penname.pat.graph.files import load_style
    from penname.pat.graph.trajectories import Finder

    features, model, clusters = load_style(run / STYLE_MODEL, encode)
    document_features = features.of_texts([d.text for d in documents])
    return Finder(documents, model, features, document_features, encode, nearest_topics, clusters, shared)


def _contexts_of(record: Record) -> Contexts:
    lists = {name: tuple(texts) for name, texts in record.items() if name != "example_id"}
    return Contexts(record["example_id"], **lists)


def _examples(session: Session, split: Split, profile_size: int | None) -> list[tuple[int, Example]]:
    """The examples that `Session.prepare` reads, each with the index of its source."""
    counts = [len(session.load([source], split, profile_size, LoadReport())) for source in session.recipe.data]
    sources = [number for number, count in enumerate(counts) for _ in range(count)]
    return list(zip(sources, session.examples(split, profile_size, LoadReport()), strict=True))


def read_all_sources(sources: Sequence[SourceConfig], split: Split) -> tuple[list[Document], set[str]]:
    """The documents of all sources, and the users among them whose id is a name that many people share.

    sources: the sources of the data.
    split: the split to read.

    Users and items of different sources differ even if their names are equal; see `name_with_source`.
    """
    found: list[Document] = []
    shared: set[str] = set()
    for number, source in enumerate(sources):
        documents = list(read_documents(source, split, LoadReport()))
        shared |= {name_with_source(number, name) for name in shared_names(source, documents)}
        found += [
            replace(
                d,
                user_id=name_with_source(number, d.user_id),
                item_id=None if d.item_id is None else name_with_source(number, d.item_id),
            )
            for d in documents
        ]
    return found, shared


def name_with_source(source: int, name: str) -> str:
    """The name of a user or an item in documents of several sources. source: the index of its source."""
    return f"{source} {name}"


def _build_contexts(
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
        format_documents(example, own),
        format_documents(example, found.style),
        format_documents(example, found.topic),
        tuple(found.levels),
        format_documents(example, exact),
    )


def format_documents(example: Example, documents: Sequence[Document]) -> tuple[str, ...]:
    """Documents as PaT's prompts show them: after their title, and with their rating where the task is to write one."""
    rated = example.layout == "pgraphrag_rating"
    titled = [f"{d.title}: {d.text}" if d.title else d.text for d in documents]
    return tuple(
        f"{text} (rated {d.rating:g})" if rated and d.rating is not None else text
        for d, text in zip(documents, titled, strict=True)
    )


def _random(example: Example, documents: Sequence[Document], k: int, seed: int) -> list[Document]:
    """k random documents of other users that do not contain the expected output."""
    generator = random.Random(f"{seed}-{example.id}")
    copies = CopyDetector(example.output or "")
    chosen: list[Document] = []
    for index in generator.sample(range(len(documents)), len(documents)):
        if len(chosen) == k:
            break
        if documents[index].user_id != example.user_id and not copies.in_document(documents[index]):
            chosen.append(documents[index])
    return chosen
