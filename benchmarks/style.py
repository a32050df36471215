"""The style trajectory on its own: does it find the author of a text among authors it was never trained on?

Authors of a task's val and test splits are held out, and no text of theirs, or copy of it, is trained on: abstracts
have several authors, so one of a held-out author may stand under another in the train split. Half of each one's
documents make the author's place in the graph (clusters of sentence vectors are its topics), and each document of the
other half asks for its author: an unseen user with one document. Mean reciprocal rank and recall@10 of the author, of
the style model with and without the graph, trained on the train split's authors, and of what it is made from: tf-idf of
character n-grams, the bundled encoder's sentence vectors, stylometric features, and all features as they are before
training. p: two-tailed paired t-test of the reciprocal ranks against the style model with the graph; p of training: of
the model without the graph against itself before training. The ratio is the model's MRR over the best of the others'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from common import examples, finish, parser, run
from scipy.stats import ttest_rel
from sklearn.feature_extraction.text import TfidfVectorizer

from penname.config import StyleSettings
from penname.data.duplicates import without_copies
from penname.data.records import Document
from penname.pat.graph.style import PART_NORMS, SKETCH, StyleIndex, fit_features, train_style
from penname.pat.graph.stylometry import NAMES
from penname.pat.graph.user_topic import Indices, Vectors, build_graph, cluster, normalize
from penname.retrieval.dense import DenseRanking

TASKS = ("abstract_generation_user", "email_completion_user")
TOPIC_SIZE = 40
"""Documents a topic, on average."""


def documents_of(task: str, split: str) -> list[Document]:
    """The documents of a split's users; users keep their split in their name."""
    users: dict[str, dict[str, None]] = {}
    for example in examples(task, split):
        users.setdefault(f"{split} {example.user_id}", {}).update(dict.fromkeys(d.text for d in example.profile))
    return [Document(user, text) for user, texts in users.items() for text in texts]


def each_once(held_out: Sequence[Document], trained_on: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Both without near-duplicates, of one author or of several: held-out ones stay, those to train on go."""
    documents = [*held_out, *trained_on]
    kept = list(without_copies(d.text for d in documents))
    return [documents[i] for i in kept if i < len(held_out)], [documents[i] for i in kept if i >= len(held_out)]


def halves(documents: Sequence[Document]) -> tuple[list[int], list[int]]:
    """Places of the documents that stand for their author, and of those that ask for theirs."""
    generator = np.random.default_rng(0)
    known: list[int] = []
    asking: list[int] = []
    for user in dict.fromkeys(d.user_id for d in documents):
        own = generator.permutation([i for i, d in enumerate(documents) if d.user_id == user]).tolist()
        asking += own[: len(own) // 2]
        known += own[len(own) // 2 :]
    return known, asking


def ranks(authors: Vectors, asked: Vectors, right: Indices) -> npt.NDArray[np.float64]:
    """The rank of the right author for each asked vector, by cosine."""
    scores = normalize(asked) @ normalize(authors).T
    return 1 + (scores > scores[np.arange(len(right)), right][:, None]).sum(axis=1)


def measure(task: str, users: int | None) -> dict[str, Any]:
    trained_on = documents_of(task, "train")
    if users is not None:
        first = list(dict.fromkeys(d.user_id for d in trained_on))[:users]
        trained_on = [d for d in trained_on if d.user_id in first]
    held_out = [d for split in ("val", "test") for d in documents_of(task, split)]
    held_out, trained_on = each_once(held_out, trained_on)
    dense = DenseRanking(None, pooling="model default", normalize=True)
    vectors = dense.vectors([d.text for d in (*trained_on, *held_out)], print)

    def encode(texts: Sequence[str]) -> Vectors:
        return np.stack([vectors[text] if text in vectors else dense.vectors([text], print)[text] for text in texts])

    known, asking = halves(held_out)
    names = list(dict.fromkeys(held_out[i].user_id for i in known))
    right = np.array([names.index(held_out[i].user_id) for i in asking], np.intp)
    train_texts, texts = [d.text for d in trained_on], [d.text for d in held_out]

    def of_means(found: Any) -> npt.NDArray[np.float64]:
        """Ranks where an author is the mean of its documents' vectors."""
        dense_rows = np.asarray(found.toarray() if hasattr(found, "toarray") else found, np.float32)
        authors = np.stack(
            [dense_rows[[i for i in known if held_out[i].user_id == name]].mean(axis=0) for name in names]
        )
        return ranks(authors, dense_rows[asking], right)

    features, of_train = fit_features(train_texts, encode)
    of_held_out = features.of_texts(texts)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, lowercase=False)
    clusters = cluster(encode(train_texts), len(trained_on) // TOPIC_SIZE, 0)

    def of_model(topics_of: Callable[[list[str]], list[str | None]], **settings: int) -> npt.NDArray[np.float64]:
        graph = build_graph(trained_on, topics_of(train_texts))
        model = train_style(of_train, graph, StyleSettings(**settings), 0)
        topics = topics_of(texts)
        of_known = build_graph([held_out[i] for i in known], [topics[i] for i in known])
        index = StyleIndex(model, of_held_out[known], of_known)
        places = [[of_known.topic_index[topics[i] or ""]] if topics[i] in of_known.topic_index else [] for i in asking]
        asked = np.stack([index.embed(of_held_out[i], on) for i, on in zip(asking, places, strict=True)])
        return ranks(index.embeddings[[of_known.user_index[name] for name in names]], asked, right)

    found = {
        "style model, graph": of_model(lambda given: list(clusters.topics_of(encode(given)))),
        "style model, no graph": of_model(lambda given: [None] * len(given)),
        "style model, no graph, untrained": of_model(lambda given: [None] * len(given), epochs=0),
        "all features, untrained": of_means(of_held_out),
        "tf-idf of character n-grams": of_means(tfidf.fit(train_texts).transform(texts)),
        "sentence vectors": of_means(encode(texts)),
        "stylometric features": of_means(of_held_out[:, SKETCH : SKETCH + len(NAMES)] / PART_NORMS["stylometric"]),
    }
    own = 1 / found["style model, graph"]
    trained, untrained = (1 / found[f"style model, no graph{state}"] for state in ("", ", untrained"))
    return {
        "authors": len(names),
        "asked": len(asking),
        "trained_on": len({d.user_id for d in trained_on}),
        "p of training": float(f"{ttest_rel(trained, untrained).pvalue:.2g}") if (trained != untrained).any() else None,
        **{
            name: {
                "mrr": round(float(np.mean(1 / rank)), 4),
                "recall@10": round(float(np.mean(rank <= 10)), 4),
                "p": None if name == "style model, graph" else float(f"{ttest_rel(own, 1 / rank).pvalue:.2g}"),
            }
            for name, rank in found.items()
        },
    }


def main() -> None:
    given = parser(__doc__).parse_args()
    found = {task: measure(task, 40 if given.quick else None) for task in (TASKS[1:] if given.quick else TASKS)}
    ratios = {}
    for task, of_task in found.items():
        others = [own["mrr"] for name, own in of_task.items() if isinstance(own, dict) and "style model" not in name]
        ratios[task] = round(of_task["style model, graph"]["mrr"] / max(others), 3)
    finish(min(ratios.values()), 1, ratios=ratios, tasks=found)


if __name__ == "__main__":
    run(main)
