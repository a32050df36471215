"""METEOR, which aligns the words of two texts by exact matches, stems and synonyms."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import SimpleNamespace

import regex

from penname.text_caches import text_cache
from penname.words import WordsName, composed, split_words

# nltk is imported where it is first needed: importing it takes over a second, and ROUGE does not need it.

Word = tuple[int, str]
"""The index of a word in a text, and the word."""


def meteor(reference: str, response: str, words: WordsName = "ascii") -> float:
    """METEOR (Banerjee and Lavie, 2005; the parameters of Lavie and Agarwal, 2007), 0..1.

    It equals nltk's ``single_meteor_score``: exact matches, then Porter stems, then WordNet synonyms. Where WordNet's
    data is not installed synonyms are not matched, and :func:`meteor_name` says so. Two identical texts score
    ``1 - 0.5 / words**3``, not 1: the penalty is at least that of one chunk. A text without words scores 0.

    Words are those of nltk's ``word_tokenize``, which Hugging Face's ``evaluate`` uses, except that Punkt's trained
    abbreviations, which would have to be downloaded, are not known: "Mr." ends a sentence here. On 78 pairs of real
    abstracts, mails, reviews and posts this changed a score by 0.00003 on average and by 0.0008 at most.

    Stems and synonyms are English. With the words `unicode` only equal words match, and punctuation and words of any
    script are separated.

    words: see `penname.words.WordsName`.
    """
    expected, found = _words(reference, words), _words(response, words)
    matches = _exact_matches(expected, found) if words == "unicode" else _align(expected, found)
    if not matches:
        return 0.0
    precision, recall = len(matches) / len(found), len(matches) / len(expected)
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    chunks = sum(matches.get(i - 1) != j - 1 for i, j in matches.items())
    return mean * (1 - 0.5 * (chunks / len(matches)) ** 3)


EXACT = "meteor-exact"
"""The name in tables of METEOR that matches equal words only, as with the words `unicode`."""


def meteor_name() -> str:
    """The name of METEOR in tables: ``meteor``, or ``meteor-no-synonyms`` where WordNet's data is not installed.

    nltk looks for the data in its own folders (``NLTK_DATA`` adds one) and downloads nothing. With the words `unicode`
    the name is `EXACT`.
    """
    return "meteor" if _wordnet() else "meteor-no-synonyms"


def _exact_matches(expected: Iterable[str], found: Iterable[str]) -> dict[int, int]:
    """As `_align`, by equal words alone."""
    return dict(_matches(list(enumerate(expected)), list(enumerate(found)))[0])


def _align(expected: Iterable[str], found: Iterable[str]) -> dict[int, int]:
    """The index of each matched word in `found`, with the index of its match in `expected`.

    It equals nltk's alignment, which compares each word with every other. Both match from the ends of the texts.
    """
    from nltk.translate.meteor_score import wordnetsyn_match

    stem, wordnet = _stemmer(), _wordnet()
    exact, rest, rest_expected = _matches(list(enumerate(expected)), list(enumerate(found)))
    stems, rest, rest_expected = _matches(
        [(index, stem(word)) for index, word in rest_expected], [(index, stem(word)) for index, word in rest]
    )
    matches = dict(exact + stems)
    if wordnet:
        synonyms, _, _ = wordnetsyn_match([word for _, word in rest], [word for _, word in rest_expected], wordnet)
        matches |= {rest[i][0]: rest_expected[j][0] for i, j in synonyms}
    return matches


def _matches(expected: list[Word], found: list[Word]) -> tuple[list[tuple[int, int]], list[Word], list[Word]]:
    """Pairs of indices of equal words, and the unmatched words of `found` and of `expected`."""
    indices: dict[str, list[int]] = defaultdict(list)
    for index, word in expected:
        indices[word].append(index)
    matches, unmatched = [], []
    for index, word in reversed(found):
        if indices.get(word):
            matches.append((index, indices[word].pop()))
        else:
            unmatched.append((index, word))
    matched = {index for _, index in matches}
    return matches, unmatched[::-1], [(index, word) for index, word in expected if index not in matched]


# m samples of one input are scored against one reference, so its words are cached.
@text_cache(maxsize=1024)
def _words(text: str, words: WordsName) -> tuple[str, ...]:
    """``nltk.word_tokenize``, lower-cased, with sentences from an untrained splitter, which separates full stops."""
    sentences, _ = _tokenizers()
    if words == "ascii":
        return tuple(word.lower() for sentence in sentences(text) for word in _sentence_words(sentence))
    tokens = (token for sentence in sentences(composed(text)) for token in _sentence_words(sentence))
    return tuple(word.lower() for token in tokens for word in _words_of_any_script(token))


_PART = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:[-'’.,][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*|\S\p{M}*")


def _words_of_any_script(token: str) -> list[str]:
    """The words and marks in one of nltk's tokens: it knows the marks of English, and separates words at spaces."""
    if token.isascii():
        return [token]
    return [word for part in _PART.findall(token) for word in split_words(part) or [part]]


def _sentence_words(sentence: str) -> list[str]:
    """nltk's words of a sentence, joined from those of its pieces between spaces, most of which are simple.

    nltk's rules look across a space in three cases, in which the whole sentence is passed to it: at a piece without a
    letter or digit, around an apostrophe at the end of a piece, and before two quotes at its beginning.
    """
    pieces = sentence.split(" ")
    words: list[str] = []
    for number, piece in enumerate(pieces, 1):
        if piece.isalnum() and piece.lower() not in _TWO_WORDS:
            words.append(piece)
        elif len(pieces) > 1 and _ALONE.fullmatch(piece):
            words += _piece_words(piece, number == len(pieces))
        else:
            return _tokenizers()[1](sentence)
    return words


_ALONE = re.compile(r"""(?=\S*\w)(?!"["'])[^\s'](?:\S*[^\s'])?""")
# With the two other letters that match an i in Python's case-insensitive patterns, in lower case.
_TWO_WORDS = frozenset({"cannot", "gimme", "g\u0131mme", "gi\u0307mme", "gonna", "gotta", "lemme", "wanna"})

# A piece that `_piece_words` splits as nltk's rules do.
_PLAIN = re.compile(
    rf"(?!.*(?:--|[,:]{{2}}|\.\.|'.*'|'(?:ye|n)\b|(?i:{'|'.join(_TWO_WORDS)})))"
    r"(?:[\w!-&(-/:-@[-_{-~»”’«“‘„]|(?<=[A-Za-z])'(?=[A-Za-z]))+"
)
_LAST_STOP = re.compile(r"""\.(?=[])}>"»”’]*$)""")
_OPENING_QUOTE = re.compile(r"""(?:^|(?<=[(\[{<«“‘„]))\"""")
_MARK = re.compile(r"[]!#$%&()*;<>?@[{}»”’«“‘„]|[,:](?!\d)")
_ENDING = re.compile(r"('[sSmMdD]|'ll|'LL|'re|'RE|'ve|'VE|(?<=.)n't|(?<=.)N'T)(?= |$)")


@text_cache(maxsize=2**17)
def _piece_words(piece: str, last: bool) -> list[str]:
    """nltk's words of a piece of a sentence; a full stop is a word of its own in the last piece only."""
    if not _PLAIN.fullmatch(piece):
        return _tokenizers()[1](f"a {piece}")[1:] if last else _tokenizers()[1](f"a {piece} a")[1:-1]
    if last:
        piece = _LAST_STOP.sub(" . ", piece)
    piece = _OPENING_QUOTE.sub(" `` ", piece).replace('"', " '' ")
    piece = _MARK.sub(r" \g<0> ", piece)
    return _ENDING.sub(r" \1", piece).split()


@cache
def _tokenizers() -> tuple[Callable[[str], list[str]], Callable[[str], list[str]]]:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer().tokenize, NLTKWordTokenizer().tokenize


@cache
def _stemmer() -> Callable[[str], str]:
    """Porter's stemmer with a cache: texts repeat their words."""
    from nltk.stem.porter import PorterStemmer

    stem: Callable[[str], str] = PorterStemmer().stem
    return text_cache(maxsize=2**17)(stem)


@cache
def _wordnet() -> SimpleNamespace | None:
    """WordNet with a cache; None where nltk does not find its data."""
    # In a thread of its own: errors that nltk keeps would keep all that called, and so the texts that are compared.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_load_wordnet).result()


def _load_wordnet() -> SimpleNamespace | None:
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return None
    return SimpleNamespace(synsets=text_cache(maxsize=2**17)(wordnet.synsets))
