"""Word-overlap rewards: ROUGE-1, ROUGE-L and METEOR.

Each is a pure function of the expected output and a response, in 0..1, with the reference first. They are the
metrics that LongLaMP (Kumar et al., 2024) and PGraphRAG report, without stemming for ROUGE as there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import SimpleNamespace

# nltk is imported where METEOR first needs it: it takes over a second, which ROUGE alone should not cost.

_ROUGE_TOKEN = re.compile(r"[a-z0-9]+")


def rouge1(reference: str, response: str) -> float:
    """ROUGE-1 F-measure (Lin, 2004, section 2), 0..1; 0 where either text has no word.

    The number of ``rouge_score`` with its default tokenizer and ``use_stemmer=False``: words are runs of a-z
    and 0-9 after lower-casing, so texts in other scripts have none.
    """
    expected, found = _rouge_tokens(reference), _rouge_tokens(response)
    shared = (Counter(expected) & Counter(found)).total()
    return _f_measure(shared, len(expected), len(found))


def rouge_l(reference: str, response: str) -> float:
    """ROUGE-L F-measure (Lin, 2004, section 3.1) over the whole text as one sequence, 0..1.

    Public name ``rougeL``; the number and the tokens of ``rouge_score``, as for :func:`rouge1`.
    """
    expected, found = _rouge_tokens(reference), _rouge_tokens(response)
    return _f_measure(_lcs_length(expected, found), len(expected), len(found))


def meteor(reference: str, response: str) -> float:
    """METEOR (Banerjee and Lavie, 2005; the parameters of Lavie and Agarwal, 2007), 0..1.

    nltk's ``single_meteor_score``: exact matches, then Porter stems, then WordNet synonyms. Where WordNet's
    data is absent the synonyms are left out and :func:`meteor_name` says so. Two texts alike score
    ``1 - 0.5 / words**3``, not 1: the penalty never falls below one chunk. A text without words scores 0.

    Words are those of nltk's ``word_tokenize``, which Hugging Face's ``evaluate`` uses, but for Punkt's
    trained abbreviations, which are a download: "Mr." ends a sentence here. On 78 pairs of real abstracts,
    mails, reviews and posts that moved a score by 0.00003 on average and 0.0008 at most.
    """
    from nltk.translate.meteor_score import single_meteor_score

    return float(
        single_meteor_score(_words(reference), _words(response), stemmer=_stemmer(), wordnet=_wordnet() or _NO_SYNONYMS)
    )


def meteor_name() -> str:
    """What tables call this machine's METEOR: ``meteor``, or ``meteor-no-synonyms`` without WordNet's data.

    nltk looks for the data in its own folders (``NLTK_DATA`` adds one) and downloads nothing.
    """
    return "meteor" if _wordnet() else "meteor-no-synonyms"


METRICS: Mapping[str, Callable[[str, str], float]] = {"rouge1": rouge1, "rougeL": rouge_l, "meteor": meteor}
"""The metrics of this module by the names that recipes and JSON use."""


def _rouge_tokens(text: str) -> list[str]:
    return _ROUGE_TOKEN.findall(text.lower())


def _f_measure(shared: int, expected: int, found: int) -> float:
    return 2 * shared / (expected + found) if shared else 0.0


def _lcs_length(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyrö, 2004): one integer holds a row of the dynamic program, a zero bit where the row grows
    by one, so hundreds of words take hundreds of big-integer additions in place of their square.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    everything = (1 << len(a)) - 1
    row = everything
    for word in b:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & everything
    return len(a) - row.bit_count()


# m samples of one input are scored against one reference: its words are worth keeping.
@lru_cache(maxsize=1024)
def _words(text: str) -> tuple[str, ...]:
    """``nltk.word_tokenize`` with an untrained sentence splitter; without any, full stops cling to words."""
    sentences, _ = _tokenizers()
    return tuple(word for sentence in sentences(text) for word in _sentence_words(sentence))


def _sentence_words(sentence: str) -> list[str]:
    """nltk's words of a sentence, put together from those of its pieces between spaces: most pieces are plain.

    nltk's rules look across a space in two cases, and then the whole sentence is given to it: at a piece without
    a letter or digit, and around an apostrophe at a piece's end.
    """
    pieces = sentence.split(" ")
    words: list[str] = []
    for place, piece in enumerate(pieces, 1):
        if piece.isalnum() and piece.lower() not in _TWO_WORDS:
            words.append(piece)
        elif len(pieces) > 1 and _ALONE.fullmatch(piece):
            words += _piece_words(piece, place == len(pieces))
        else:
            return _tokenizers()[1](sentence)
    return words


_ALONE = re.compile(r"(?=\S*\w)[^\s'](?:\S*[^\s'])?")
_PLAIN = re.compile(r"""(["(]?)([^\W_]+(?:-[^\W_]+)*)([,;:?!)"]?)(\.?)""")
_TWO_WORDS = frozenset({"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"})


@lru_cache(maxsize=2**17)
def _piece_words(piece: str, last: bool) -> list[str]:
    """nltk's words of a piece among others; a full stop is a word of its own in the last one only."""
    plain = _PLAIN.fullmatch(piece)
    if plain and (last or not plain[4]) and _TWO_WORDS.isdisjoint(plain[2].lower().split("-")):
        opening, closing = plain[1].replace('"', "``"), plain[3].replace('"', "''")
        return [word for word in (opening, plain[2], closing, plain[4]) if word]
    return _tokenizers()[1](f"a {piece}")[1:] if last else _tokenizers()[1](f"a {piece} a")[1:-1]


@cache
def _tokenizers() -> tuple[Callable[[str], list[str]], Callable[[str], list[str]]]:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer().tokenize, NLTKWordTokenizer().tokenize


@cache
def _stemmer() -> SimpleNamespace:
    """A Porter stemmer that remembers: stemming is most of METEOR's time, and texts repeat their words."""
    from nltk.stem.porter import PorterStemmer

    return SimpleNamespace(stem=lru_cache(maxsize=2**17)(PorterStemmer().stem))


_NO_SYNONYMS = SimpleNamespace(synsets=lambda word: ())


@cache
def _wordnet() -> SimpleNamespace | None:
    """WordNet with remembered look-ups, None where nltk has not its data."""
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return None
    return SimpleNamespace(synsets=lru_cache(maxsize=2**17)(wordnet.synsets))
