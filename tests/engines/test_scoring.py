"""Common prefixes are found, and scores equal those of one plain forward pass per candidate."""

import pytest
import torch
import transformers

from penname.engines.local import LocalEngine
from penname.engines.scoring import scoring_batches

START = list(range(10, 50))
OTHER = list(range(60, 90))
ALIKE = [[*START, 1, 2, 3], [*START, 1, 4], [*START, 5, 6, 7, 8, 9, 3]]
CANDIDATES = [[7], [7, 8], [], [8, 7, 6], [7, 7]]


def starts(prompts, workers=1, candidates=([1, 2],)):
    rows = scoring_batches(prompts, [candidates] * len(prompts), workers)
    return [[span.prompt_end - span.start for span in row.packed.spans] for row in rows]


def test_consecutive_prompts_share_their_common_prefix():
    assert starts(ALIKE) == [[40]]
    assert starts([*ALIKE, OTHER, OTHER]) == [[40, 29]]
    assert starts([ALIKE[0], OTHER, ALIKE[1]]) == [[42, 29, 41]]
    assert starts(ALIKE, workers=2) == [[40], [40]]
    assert starts(ALIKE, candidates=[]) == []


def test_a_prompt_that_is_a_prefix_of_another_keeps_its_last_token():
    assert starts([START, [*START, 1]]) == [[39]]


def test_a_short_common_prefix_is_not_shared():
    assert starts([[*START[:10], *OTHER], [*START[:10], *reversed(OTHER)]]) == [[39, 39]]


@pytest.mark.parametrize(("family", "times"), [("llama", 1), ("gemma3", 1), ("llama", 8), ("gemma3", 8)])
def test_scores_are_those_of_a_plain_forward_pass_a_candidate(family, times):
    """`times`: how often prompts repeat their prefix; with 8 they are longer than attention's blocks."""
    sizes = {
        "vocab_size": 120, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "head_dim": 8,
        "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    torch.manual_seed(0)
    if family == "llama":
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).eval()
    else:
        model = transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**sizes, sliding_window=6)).eval()
    prompts = [START * (times - 1) + prompt for prompt in (*ALIKE, OTHER, START)]
    candidates = [CANDIDATES, CANDIDATES[:2], CANDIDATES, [], CANDIDATES[::-1]]
    scored = LocalEngine(model).score(prompts, candidates)
    model.set_attn_implementation("eager")
    assert [len(row) for row in scored] == [5, 2, 5, 0, 5]
    for prompt, row, scores in zip(prompts, candidates, scored, strict=True):
        for candidate, own in zip(row, scores, strict=True):
            with torch.no_grad():
                logits = model(torch.tensor([prompt + candidate]), use_cache=False).logits[0].log_softmax(-1)
            plain = [logits[len(prompt) - 1 + i, t].item() for i, t in enumerate(candidate)]
            assert own == pytest.approx(plain, rel=1e-5, abs=1e-5)
