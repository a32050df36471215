"""Rewards from an encoder's vectors: the cosine of sentence embeddings, and BERTScore.

Both take lists, so that texts share batches, and return a number in 0..1 for each pair. A blank text scores 0, even
against another blank text, as with ROUGE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penname.encoders import SentenceEncoder, loading_encoder, locate_encoder, warn_truncated
from penname.engines.models import pick_device
from penname.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    # A text's token vectors of length 1, shape (tokens, width), and the weight of each token, 0 or 1, shape (tokens,).
    TokenVectors = tuple[torch.Tensor, torch.Tensor]

ReferenceAndResponse = tuple[str, str]

# Pairs whose token vectors are in memory at once: 64 pairs of 512 tokens of a 1,024-wide encoder take 270 MB.
_PAIRS = 64
_BATCH_SIZE = 16


def cosine(references: Sequence[str], responses: Sequence[str], encoder: SentenceEncoder) -> list[float]:
    """Cosine similarity of the embeddings of each reference and response, clipped at 0.

    Returns a number in 0..1 for each pair.
    """
    pairs = list(zip(references, responses, strict=True))
    texts = _texts(_nonblank(pairs))
    vectors = dict(zip(texts, encoder.encode(texts, normalize=True), strict=True))
    scores = {pair: _clip(float(vectors[pair[0]] @ vectors[pair[1]])) for pair in _nonblank(pairs)}
    return [scores.get(pair, 0.0) for pair in pairs]


class BertEncoder:
    """The layers of an encoder that BERTScore compares the output of, with its tokenizer.

    encoder_path: a folder or hub id of an encoder such as BERT, RoBERTa or DeBERTa; None is all-MiniLM-L6-v2.
    layer: the layer whose output is compared, counted from 1; the best one depends on the model (9 of
        bert-base-uncased and 17 of roberta-large in the authors' code).

    Raises UserError when the encoder cannot be loaded or has no such layer.
    """

    def __init__(self, encoder_path: str | Path | None, layer: int) -> None:
        self.tokenizer, self.model = _load(locate_encoder(encoder_path), layer)


def bert_score(references: Sequence[str], responses: Sequence[str], encoder: BertEncoder) -> list[float]:
    """F1 of BERTScore (Zhang et al., 2020, section 3): greedy token matching, no idf, no baseline rescaling.

    It equals what the authors' `bert-score` package returns for a pair scored alone: [CLS] and [SEP] may be matched
    but carry no weight, texts for RoBERTa's and GPT-2's tokenizers begin with a space (the package requests it, which
    transformers 5 ignores), and texts are truncated at the encoder's window (a warning says how many).

    Returns a number in 0..1 for each pair.
    """
    pairs = list(zip(references, responses, strict=True))
    nonblank = _nonblank(pairs)
    tokens = _tokenize(_texts(nonblank), encoder.tokenizer, encoder.model)
    scores: dict[ReferenceAndResponse, float] = {}
    for start in range(0, len(nonblank), _PAIRS):
        chunk = nonblank[start : start + _PAIRS]
        vectors = _token_vectors({text: tokens[text] for text in _texts(chunk)}, encoder.tokenizer, encoder.model)
        scores |= {pair: _greedy_f1(vectors[pair[0]], vectors[pair[1]]) for pair in chunk}
    return [scores.get(pair, 0.0) for pair in pairs]


def _nonblank(pairs: Iterable[ReferenceAndResponse]) -> list[ReferenceAndResponse]:
    """The distinct pairs in which neither text is blank."""
    return list(dict.fromkeys(pair for pair in pairs if pair[0].strip() and pair[1].strip()))


def _texts(pairs: Iterable[ReferenceAndResponse]) -> list[str]:
    """The distinct texts of the pairs: m samples share one reference."""
    return list(dict.fromkeys(text for pair in pairs for text in pair))


def _clip(score: float) -> float:
    return min(max(score, 0.0), 1.0)


def _load(name: str, layer: int) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """The tokenizer, and the encoder's first `layer` layers, so that its output is that layer's."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    local = Path(name).is_dir()
    with loading_encoder(name):
        config = AutoConfig.from_pretrained(name, local_files_only=local)
    if config.is_encoder_decoder:
        raise UserError(f"encoder {name!r}: found an encoder-decoder, expected an encoder such as BERT")
    if not 1 <= layer <= config.num_hidden_layers:
        raise UserError(f"encoder {name!r}: found layer {layer}, expected 1 to {config.num_hidden_layers}")
    config.num_hidden_layers = layer
    with loading_encoder(name):
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
        model = AutoModel.from_pretrained(name, config=config, dtype=torch.float32, local_files_only=local)
    return tokenizer, model.eval().to(pick_device())


def _tokenize(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> dict[str, list[int]]:
    """Token ids of each text, with the special tokens, truncated at the encoder's window."""
    from transformers import GPT2Tokenizer, RobertaTokenizer

    if not texts:
        return {}
    # These tokenize a text's first word differently from the same word later on; BERTScore treats both as later words.
    space = " " if isinstance(tokenizer, GPT2Tokenizer | RobertaTokenizer) else ""
    prepared = [space + text.strip() for text in texts]
    # A tokenizer saved without its limit claims 1e30.
    window = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    untruncated = tokenizer(prepared, verbose=False)["input_ids"]
    warn_truncated(sum(len(ids) > window for ids in untruncated), len(texts), window)
    return dict(zip(texts, tokenizer(prepared, truncation=True, max_length=window)["input_ids"], strict=True))


def _token_vectors(
    tokens: dict[str, list[int]], tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> dict[str, TokenVectors]:
    """The encoder's vectors of each text's tokens, texts of similar length share a batch."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    special = torch.tensor([i for i in (tokenizer.cls_token_id, tokenizer.sep_token_id) if i is not None])
    vectors: dict[str, TokenVectors] = {}
    by_length = sorted(tokens, key=lambda text: len(tokens[text]))
    for start in range(0, len(by_length), _BATCH_SIZE):
        texts = by_length[start : start + _BATCH_SIZE]
        sequences = [torch.tensor(tokens[text]) for text in texts]
        input_ids = pad_sequence(sequences, batch_first=True, padding_value=tokenizer.pad_token_id or 0)
        mask = pad_sequence([torch.ones_like(sequence) for sequence in sequences], batch_first=True)
        with torch.inference_mode():
            states = model(input_ids.to(model.device), attention_mask=mask.to(model.device)).last_hidden_state
        for text, sequence, text_states in zip(texts, sequences, states, strict=True):
            unit = torch.nn.functional.normalize(text_states[: len(sequence)], dim=-1)
            vectors[text] = unit, (~torch.isin(sequence, special)).to(unit)
    return vectors


def _greedy_f1(reference: TokenVectors, response: TokenVectors) -> float:
    """F1 of BERTScore's greedy matching (its equation 2); 0 where a text has only special tokens."""
    (expected, expected_weight), (found, found_weight) = reference, response
    if not expected_weight.any() or not found_weight.any():
        return 0.0
    similarity = found @ expected.T
    precision = float(similarity.amax(dim=1) @ found_weight / found_weight.sum())
    recall = float(similarity.amax(dim=0) @ expected_weight / expected_weight.sum())
    return _clip(2 * precision * recall / (precision + recall)) if precision + recall else 0.0
