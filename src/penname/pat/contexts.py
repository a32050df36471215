"""What the methods for users without history show: documents of others, each found in the graph of its own split."""

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
from penname.session import stage_names
from penname.session.examples import RANKED_AT_ONCE
from penname.session.session import Session
from penname.session.stage_names import STYLE_MODEL

if TYPE_CHECKING:
    from penname.pat.graph.trajectories import Finder, Trajectories


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


def find_contexts(session: Session, split: Split, history: int | None = None) -> dict[str, Contexts]:
    """The contexts of a split's examples, by id. history: as `Session.examples` takes it."""
    return session.once(("contexts", split, history), lambda: _find_contexts(session, split, history))


def _find_contexts(session: Session, split: Split, history: int | None) -> dict[str, Contexts]:
    name = stage_names.contexts(stage_names.part_name(split, history))
    session.run.stage(name, lambda folder: _find_in_graph(session, name, split, history))
    return {record["example_id"]: _read(record) for record in read_stage(session.run.path(name))}


def _find_in_graph(session: Session, name: str, split: Split, history: int | None) -> Record:
    """Train the style model, if it is not there yet, and find the contexts of all examples, a shard at a time."""
    session.run.stage(STYLE_MODEL, lambda folder: _train_style_model(session, folder))
    examples = _examples(session, split, history)
    find = partial(_find_for_shard, session, Finders(session, split))
    records = session.run.shards(name, examples, RANKED_AT_ONCE, find)
    levels = [level for record in records for level in record["levels"]]
    counts = {level: levels.count(level) for level in dict.fromkeys(levels)}
    told = ", ".join(f"{count} {level}" for level, count in counts.items()) or "none found"
    session.run.progress.say(f"{name}: topic documents by level: {told}")
    return {"examples": len(records), "levels": counts}


def _train_style_model(session: Session, folder: Path) -> Record:
    # With torch-geometric, which takes seconds.
    from penname.pat.graph.files import save_style
    from penname.pat.graph.style import fit_features, train_style

    recipe, progress, encode = session.recipe, session.run.progress, _encoder(session)
    documents, _ = of_all_sources(recipe.data, "train")
    if not documents:
        raise UserError("train: found no document of any user, expected some to make the graph of")
    settings = recipe.pat.style
    progress.start(STYLE_MODEL, settings.epochs, "epochs")
    texts = [d.text for d in documents]
    features, made = fit_features(texts, encode if settings.sentence_vectors else None)
    vectors = encode(texts)
    without_item = np.array([d.item_id is None for d in documents])
    clusters = None
    if without_item.any():
        clusters = cluster(vectors[without_item], recipe.pat.clusters, recipe.seed)
    graph = build_graph(documents, topics_of(documents, vectors, clusters))
    model = train_style(made, graph, settings, recipe.seed, lambda: progress.advance(1))
    save_style(folder, features, model, clusters)
    progress.finish(f"{len(documents)} documents")
    return {"documents": len(documents), "users": len(graph.users), "topics": len(graph.topics)}


class Finders:
    """What finds trajectories among the documents of each source of the data, each made when it is first asked for."""

    def __init__(self, session: Session, split: Split) -> None:
        self._session = session
        self._split = split
        self._made: dict[int, Finder] = {}

    def of_source(self, source: int) -> Finder:
        """Raises UserError where nobody has written anything."""
        if source not in self._made:
            recipe = self._session.recipe
            own, split = recipe.data[source], self._split
            # Where a split's users are all new, what others wrote is that of the users the style model was trained on.
            documents = list(read_documents(own, split, Report())) or list(read_documents(own, "train", Report()))
            if not documents:
                raise UserError(
                    f"{split}: found no document of any user, expected some to make the user-topic graph of"
                )
            shared, encode = shared_names(own, documents), _encoder(self._session)
            run = self._session.run.folder
            self._made[source] = load_finder(run, documents, shared, encode, recipe.pat.nearest_topics)
        return self._made[source]


def _find_for_shard(session: Session, finders: Finders, examples: Sequence[tuple[int, Example]]) -> list[Record]:
    """The contexts of examples, each given with its source's number."""
    asked = [_with_neighbours(session, finders, *pair) for pair in examples]
    own, neighbours = _retrieved(session, asked, "own"), _retrieved(session, asked, "neighbours")
    found: list[Trajectories] = []
    for source, of_source in groupby(examples, key=lambda pair: pair[0]):
        found += finders.of_source(source).find_all([example for _, example in of_source], session.recipe.pat.k)
    return [
        asdict(_contexts(session, example, trajectories, finders.of_source(source).graph.documents, mine, others))
        for (source, example), trajectories, mine, others in zip(examples, found, own, neighbours, strict=True)
    ]


def _with_neighbours(session: Session, finders: Finders, source: int, example: Example) -> Example:
    """PGraphRAG's data comes with them; elsewhere they are what the graph holds on the item."""
    if session.recipe.data[source].format == "pgraphrag":
        return example
    return replace(example, neighbours=finders.of_source(source).on_item(example))


def _retrieved(session: Session, examples: Sequence[Example], side: DocumentsName) -> list[list[Document]]:
    found = retrieve_all(examples, session.retriever(), session.recipe.retrieval.k, side, _tell(session))
    return [documents for _, documents in found]


def _encoder(session: Session) -> Callable[[Sequence[str]], Vectors]:
    return session.once(("sentence encoder",), lambda: sentence_encoder(_tell(session)))


def _tell(session: Session) -> Tell:
    return lambda note: session.run.progress.advance(0, note=note)


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
    from penname.pat.graph.files import load_style
    from penname.pat.graph.trajectories import Finder

    features, model, clusters = load_style(run / STYLE_MODEL, encode)
    made = features.of_texts([d.text for d in documents])
    return Finder(documents, model, features, made, encode, nearest_topics, clusters, shared)


def _read(record: Record) -> Contexts:
    lists = {name: tuple(texts) for name, texts in record.items() if name != "example_id"}
    return Contexts(record["example_id"], **lists)


def _examples(session: Session, split: Split, history: int | None) -> list[tuple[int, Example]]:
    """The examples that `Session.prepare` reads, each with its source's number."""
    counts = [len(session.load([source], split, history, Report())) for source in session.recipe.data]
    numbers = [number for number, count in enumerate(counts) for _ in range(count)]
    return list(zip(numbers, session.examples(split, history, Report()), strict=True))


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
