"""ROUGE-1 + ROUGE-L + METEOR of 32 responses an input: penname against rouge_score and nltk called in a loop.

Both sides score the same texts and must give the same numbers to 1e-9: an abstract as the expected output, and as its
responses 32 other abstracts, each text once in all, as an expectation step's are. nltk's METEOR gets the words of the
tokenizer that penname uses, and WordNet only where penname has it. The first input of a side finds its caches cold.
"""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace

from common import examples, finish, median, parser, run, timed
from nltk.stem.porter import PorterStemmer
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer

from penname.rewards.meteor import meteor_name
from penname.rewards.overlap import METRICS

TASK = "abstract_generation_user"
RESPONSES = 32


def abstracts(count: int) -> list[str]:
    """So many different abstracts."""
    found = (document.text for split in ("train", "test") for e in examples(TASK, split) for document in e.profile)
    return list(islice(dict.fromkeys(found), count))


def plain(expected: str, responses: list[str]) -> list[tuple[float, ...]]:
    """As a script would do it."""
    scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=False)
    sentences, words, stemmer = PunktSentenceTokenizer(), NLTKWordTokenizer(), PorterStemmer()
    given = {} if meteor_name() == "meteor" else {"wordnet": SimpleNamespace(synsets=lambda word: ())}

    def tokenize(text: str) -> list[str]:
        return [word for sentence in sentences.tokenize(text) for word in words.tokenize(sentence)]

    scores = []
    for response in responses:
        rouge = scorer.score(expected, response)
        meteor = single_meteor_score(tokenize(expected), tokenize(response), stemmer=stemmer, **given)
        scores.append((rouge["rouge1"].fmeasure, rouge["rougeL"].fmeasure, meteor))
    return scores


def ours(expected: str, responses: list[str]) -> list[tuple[float, ...]]:
    return [tuple(metric(expected, response) for metric in METRICS.values()) for response in responses]


def main() -> None:
    arguments = parser(__doc__).parse_args()
    count = 10 if arguments.quick else 100
    texts = abstracts(count * (1 + RESPONSES))
    times: dict[str, list[float]] = {"penname": [], "plain": []}
    for start in range(0, len(texts), 1 + RESPONSES):
        expected, *responses = texts[start : start + 1 + RESPONSES]
        taken, found = timed(ours, expected, responses)
        times["penname"].append(taken)
        taken, reference = timed(plain, expected, responses)
        times["plain"].append(taken)
        for a, b in zip(found, reference, strict=True):
            assert all(abs(x - y) <= 1e-9 for x, y in zip(a, b, strict=True)), (a, b)
    finish(
        median([b / a for a, b in zip(times["penname"], times["plain"], strict=True)]),
        10,
        inputs=count,
        responses_an_input=RESPONSES,
        penname_ms_a_response=round(1000 * median(times["penname"]) / RESPONSES, 3),
        plain_ms_a_response=round(1000 * median(times["plain"]) / RESPONSES, 3),
        ratio_of_the_first_input=round(times["plain"][0] / times["penname"][0], 2),
        ratio_of_the_sums=round(sum(times["plain"]) / sum(times["penname"]), 2),
    )


if __name__ == "__main__":
    run(main)
