"""A judge on a chat server, held against the same model in this process."""

import math
from dataclasses import replace

import pytest
import torch
from tests.conftest import CHAT_TEMPLATE
from tests.engines.servers import Kind, ServedModel, named, says, serving
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from penname.engines.local import LocalEngine
from penname.engines.messages import MessageTokenizer
from penname.engines.models import load_model, load_tokenizer
from penname.engines.openai_chat import ChatEngine
from penname.errors import UserError
from penname.prompts.render import Renderer
from penname.prompts.templates import template
from penname.rewards.judge import SCORES, Judge

LIKES_1, LIKES_7 = (0.40, 0.05, 0.10, 0.15, 0.30), (0.15, 0.05, 0.10, 0.45, 0.25)
"""How probable the scores are that the tiny judges learn to give."""

ASKED = ("Write about rain.", "It rained all day.", "It rained.")


@pytest.fixture(
    scope="module", params=[(True, LIKES_1), (True, LIKES_7), (False, LIKES_7)], ids=["1", "7", "7, 10 is a token"]
)
def judge_model(request, tmp_path_factory):
    """A small Llama that has learned to reply with these scores, and to end its reply after them."""
    single_digits, weights = request.param
    bpe = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Digits(individual_digits=single_digits), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.Sequence(splits), decoders.ByteLevel()
    special, alphabet = ["<|end|>", "<|user|>", "<|assistant|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=alphabet)
    bpe.train_from_iterator([template("figure6_judge"), "10"] * 10, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, eos_token_id=0, **sizes))
    renderer = Renderer(tokenizer, "chat", 1024)
    targets = [renderer.target(str(score)) for score in SCORES]
    assert len(targets[-1]) == (3 if single_digits else 2)
    values = dict(zip(("input", "expected_output", "response"), ASKED, strict=True))
    learn(model, renderer.render("figure6_judge", [], **values).tokens, targets, torch.tensor(weights))
    folder = tmp_path_factory.mktemp("judge")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def learn(model, prompt, targets, weights):
    """Train until replies to the prompt are as probable as their weights."""
    longest = max(map(len, targets))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    counted = torch.tensor([[i < len(target) for i in range(longest)] for target in targets])
    padded = torch.tensor([[*target, *[0] * (longest - len(target))] for target in targets])
    ids = torch.cat([torch.tensor([prompt] * len(targets)), padded], 1)
    for _ in range(60):
        logits = model(ids, logits_to_keep=longest + 1).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), padded, reduction="none")
        ((losses * counted).sum(1) * weights).sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def judged(judge):
    (judgement,) = judge(*([text] for text in ASKED))
    return judgement


@pytest.fixture(scope="module")
def local(judge_model):
    renderer = Renderer(load_tokenizer(judge_model), "chat", 1024)
    return judged(Judge(LocalEngine(judge_model, "float32"), renderer, expectation=True))


@pytest.fixture(scope="module")
def replies(judge_model):
    return ServedModel(load_model(judge_model, "float32"), load_tokenizer(judge_model))


def chat_judge(address, said=None, expectation=True):
    tokenizer = MessageTokenizer()
    engine = ChatEngine(address, "judge", tokenizer, max_retries=0, say=(said if said is not None else []).append)
    return Judge(engine, Renderer(tokenizer, "chat", 2048), expectation)


@pytest.mark.parametrize("shows_end", [True, False])
@pytest.mark.parametrize("continues", [True, False])
def test_the_probabilities_are_the_models_own_or_it_is_said_why_not(local, replies, continues, shows_end):
    """Within 0.01: what follows the score, on which a local judge insists, is not known on a server."""
    said = []
    kind = Kind(replace(replies, continues=continues, shows_end=shows_end))
    with serving(kind) as address:
        found = judged(chat_judge(address, said))
        most_probable = judged(chat_judge(address, expectation=False))
    one, *middle, ten = found.probabilities
    local_one, *_, local_ten = local.probabilities
    likes_1 = local.probabilities.index(max(local.probabilities)) == 0
    two_tokens = len(replies.tokenizer("10").input_ids) == 2
    assert most_probable.reward == (0.1 if likes_1 else 0.7)
    if two_tokens and likes_1 and not shows_end:
        assert "10 counts as impossible" in said[0]
        assert ten == 0
    elif two_tokens and not likes_1 and not continues:
        assert "divided equally" in said[0]
        assert one == ten == pytest.approx((local_one + local_ten) / 2, abs=0.01)
        assert middle == pytest.approx(local.probabilities[1:4], abs=0.01)
    else:
        assert said == []
        assert found.probabilities == pytest.approx(local.probabilities, abs=0.01)
        assert found.reward == pytest.approx(local.reward, abs=0.01)


def shown(*places):
    """Log probabilities of a reply: at each place the most probable tokens, the first of which was written."""
    content = [
        {
            "token": next(iter(place)),
            "logprob": 0.0,
            "top_logprobs": [{"token": token, "logprob": math.log(p)} for token, p in place.items()],
        }
        for place in places
    ]
    return {"content": content}


def scripted(log_probs, text="7"):
    answer = says(text)
    answer["choices"][0]["logprobs"] = log_probs
    return lambda body: answer


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([{"7": 0.5, "10": 0.2, "1": 0.1, "5": 0.1, "3": 0.1}], (0.1, 0.1, 0.1, 0.5, 0.2)),
        ([{" 7": 0.4, "7": 0.1, "\u01201": 0.3, "\u258110": 0.2}], (0.3, 0, 0, 0.5, 0.2)),  # white space is no score
        ([{"\n": 0.9, "7": 0.1}, {"7": 0.6, "10": 0.4}], (0, 0, 0, 0.6, 0.4)),
        ([{"**": 0.9, "7": 0.1}, {"5": 0.6, "1": 0.2, "10": 0.2}], (0.2, 0, 0.6, 0, 0.2)),
        ([{"1": 0.8, "7": 0.2}, {"0": 0.75, "": 0.25}], (0.2, 0, 0, 0.2, 0.6)),
        (
            [{"1": 0.8, "7": 0.2}, {"0": 0.5, "": 0.25, "5": 0.25}],
            (0.2 / 0.8, 0, 0, 0.2 / 0.8, 0.4 / 0.8),
        ),  # 15 is none
        ([{"7": 0.8, "3": 0.2}, {"5": 0.5, "": 0.5}], (0, 1 / 3, 0, 2 / 3, 0)),  # 75 is none
        ([{"7": 0.992, "1": 0.008}], (0.008, 0, 0, 0.992, 0)),  # too improbable to ask what would follow
        ([{"7": 0.6, "1": 0.3, "75": 0.1}], (1 / 3, 0, 0, 2 / 3, 0)),  # numbers are tokens here, 10 an improbable one
    ],
)
def test_probabilities_of_the_tokens_that_are_shown(places, expected):
    kind = Kind(scripted(shown(*places)))
    with serving(kind) as address:
        assert judged(chat_judge(address)).probabilities == pytest.approx(expected)
    assert len(kind.requests) == 1


SURE = shown({"Sure": 0.9, "I": 0.1}, {",": 1.0})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Kind(lambda body: says("7")), "gives no log probabilities with chat completions, so it cannot judge"),
        (Kind(scripted({"content": []})), "gives no log probabilities"),
        (Kind(scripted(shown())), "gives no log probabilities"),
        (
            Kind(
                says, refuses=lambda body: named("logprobs", "You are not allowed to request logprobs from this model.")
            ),
            "refuses log probabilities",
        ),
        (
            Kind(says, refuses=lambda body: (422, {"detail": [{"loc": ["body", "logprobs"], "msg": "Extra inputs"}]})),
            "refuses log probabilities",
        ),
        (
            Kind(scripted(SURE, "Sure, here")),
            "shows none of 1, 3, 5, 7, 10 as a judge's score .'Sure, here' was replied",
        ),
        (Kind(lambda body: says("<think>The score", "length")), "on reasoning of its own .4.; raise the limit"),
        (Kind(lambda body: says(None, "content_filter")), "withheld a reply .content_filter., 1 of 1 times"),
    ],
)
def test_a_server_that_cannot_judge_is_one_line(kind, message):
    with serving(kind) as address, pytest.raises(UserError, match=f"server {address}, model 'judge': .*{message}"):
        judged(chat_judge(address))


def test_a_reply_that_is_withheld_is_no_judgement():
    said = []
    answers = iter([says(None, "content_filter"), scripted(shown({"7": 0.9, "10": 0.1}))({})])
    with serving(Kind(lambda body: next(answers))) as address:
        first, second = sorted(
            chat_judge(address, said, expectation=False)(["a", "b"], ["a", "b"], ["a", "b"]),
            key=lambda j: j is not None,
        )
    assert first is None
    assert second.reward == 0.7
    assert "withheld a reply" in said[0]


@pytest.mark.parametrize("most", [5, 8, 20])
def test_fewer_log_probabilities_are_asked_of_a_server_that_gives_fewer(most):
    def refuses(body):
        above = body["top_logprobs"] > most
        return named("top_logprobs", f"Invalid value for top_logprobs: must be at most {most}.") if above else None

    kind = Kind(scripted(shown({"7": 0.9, "10": 0.1})), refuses=refuses)
    with serving(kind) as address:
        assert judged(chat_judge(address, expectation=False)).reward == 0.7
    assert kind.requests[-1]["top_logprobs"] == most


def test_other_texts_than_numbers_are_not_scored():
    judge = chat_judge("http://127.0.0.1:1/v1")
    prompt = judge.renderer.render("no_reasoning_input", [], input="Write.").tokens
    for candidate in (
        judge.renderer.target("A whole text."),
        judge.renderer.target("7")[:-1],
        judge.renderer.target("123"),
    ):
        with pytest.raises(UserError, match=r"cannot score .* with chat completions.*endpoint: completions"):
            judge.engine.score([prompt], [[candidate]])
