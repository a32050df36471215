"""The chat engine against servers that differ as real ones do."""

import pytest
from tests.engines.servers import Kind, named, says, serving

from penname.engines.base import Sampling
from penname.engines.endpoints import find_endpoint
from penname.engines.messages import END, MessageTokenizer, estimated_tokens
from penname.engines.openai_chat import ChatEngine
from penname.errors import UserError
from penname.prompts.completion import compose
from penname.prompts.render import Renderer

KEY = "sk-abcdefgh12345678"
SAMPLING = Sampling(64, temperature=0.7, top_p=0.95, stop_ids=(END,))
FIELDS = {"max_tokens": 64, "temperature": 0.7, "top_p": 0.95, "seed": 5}
USER = {"role": "user", "content": "Write about rain."}


def engine_of(address, said=None, **options):
    options = {"max_retries": 0, "say": (said if said is not None else []).append, **options}
    return ChatEngine(address, "m", MessageTokenizer(), **options)


def prompt_of(text, tokenizer=None):
    template = MessageTokenizer(tokenizer)
    return Renderer(template, "chat", 512).render_text(text, [], text).tokens


def written(kind, said=None, sampling=SAMPLING, seeds=(5,), **options):
    with serving(kind) as address:
        engine = engine_of(address, said, **options)
        [row] = engine.generate([prompt_of(USER["content"])], [list(seeds)], sampling)
    return [(MessageTokenizer().decode(g.tokens, skip_special_tokens=False), g.finish_reason) for g in row]


def always(answer):
    return lambda body: answer


RAIN = always(says(" Rain falls – 雨が降る. <|im_end|> "))


def test_messages_are_sent_and_a_reply_is_read_to_the_letter():
    kind = Kind(RAIN)
    assert written(kind, seeds=(5, 6), api_key=KEY) == [(" Rain falls – 雨が降る. <|im_end|> ", "stop")] * 2
    first, second = sorted(kind.requests, key=lambda request: request["seed"])
    assert first == {"model": "m", "messages": [USER], **FIELDS}
    assert second == {**first, "seed": 6}
    assert kind.keys == [f"Bearer {KEY}"] * 2


def test_greedy_decoding_has_no_top_p():
    kind = Kind(RAIN)
    written(kind, sampling=Sampling(64, 0.0, 0.95, (END,)))
    assert "top_p" not in kind.requests[0]
    assert kind.requests[0]["temperature"] == 0


def refuse(field, message, code="unsupported_parameter"):
    """A server that refuses a field with a message."""
    return lambda body: named(field, message, code) if field in body else None


def fastapi(field):
    """The refusal of a strict server made with FastAPI, which repeats the request."""

    def refuses(body):
        detail = {
            "type": "extra_forbidden",
            "loc": ["body", field],
            "msg": "Extra inputs are not permitted",
            "input": 5,
        }
        return (422, {"detail": [detail]}) if field in body else None

    return refuses


def plain(field, message):
    """A refusal that names the field in a text alone."""
    return lambda body: (400, {"error": message}) if field in body else None


LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
ONE = "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported."


@pytest.mark.parametrize(
    ("refuses", "missing", "note"),
    [
        (refuse("max_tokens", LIMIT), "max_tokens", None),
        (refuse("temperature", ONE, "unsupported_value"), "temperature", "the server uses its own"),
        (refuse("seed", "Unknown parameter: 'seed'."), "seed", "another run gets other texts"),
        (fastapi("seed"), "seed", "does not take seed"),
        (plain("seed", "property 'seed' is unsupported"), "seed", "does not take seed"),
        (plain("top_p", "`temperature` and `top_p` cannot both be specified for this model"), "top_p", "top_p"),
    ],
)
def test_what_a_server_refuses_is_left_out_or_renamed_and_said_once(refuses, missing, note):
    kind, said = Kind(RAIN, refuses=refuses), []
    written(kind, said, seeds=range(20))
    last = kind.requests[-1]
    assert missing not in last
    assert {**FIELDS, "seed": 0}.keys() - last.keys() == {missing}
    assert (last.get("max_completion_tokens") == 64) == (missing == "max_tokens")
    assert len(said) == (note is not None)
    assert note is None or note in said[0]


def test_several_refusals_of_one_server():
    rules = [refuse("max_tokens", LIMIT), refuse("temperature", ONE), refuse("top_p", "top_p is not supported")]
    kind, said = Kind(RAIN, refuses=lambda body: next(filter(None, (rule(body) for rule in rules)), None)), []
    written(kind, said)
    assert kind.requests[-1].keys() == {"model", "messages", "seed", "max_completion_tokens"}
    assert len(said) == 2


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            named("max_tokens", "max_tokens is too large: 64. This model supports at most 32.", "invalid_value"),
            "too large",
        ),
        (named("temperature", "temperature must be at most 0.5", "invalid_value"), "must be at most"),
        (named("messages", "Your input exceeds the context window", "context_length_exceeded"), "context window"),
        ((401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), "401.*OPENAI_API_KEY"),
        ((401, {"error": {"message": "Incorrect API key provided: sk-ab***5678."}}), "401.*OPENAI_API_KEY"),
        ((404, {"error": {"message": "The model `m` does not exist"}}), "404.*does not exist"),
    ],
)
def test_any_other_refusal_is_one_line_without_the_key(refusal, message):
    kind = Kind(RAIN, refuses=always(refusal))
    with pytest.raises(UserError, match=message) as caught:
        written(kind, api_key=KEY)
    assert len(kind.requests) == 1
    assert "sk-" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("failures", [[429], [500, 503], [429, 502]])
def test_busy_and_broken_servers_are_tried_again(failures):
    kind = Kind(RAIN, failures=[*failures])
    assert written(kind, max_retries=2)[0][1] == "stop"
    assert len(kind.requests) == len(failures) + 1


THOUGHT = "Short sentences, it seems. </think>"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (says("Rain.", reasoning_content=THOUGHT), ("Rain.", "stop")),
        (says("Rain.", reasoning="The user"), ("Rain.", "stop")),
        (says(f"<think>\n{THOUGHT}\n\nRain."), ("Rain.", "stop")),
        (says(f"{THOUGHT}\n\nRain."), ("Rain.", "stop")),
        (says("[THINK]Hm.[/THINK]Rain."), ("Rain.", "stop")),
        (says([{"type": "thinking", "thinking": []}, {"type": "text", "text": "Rain."}]), ("Rain.", "stop")),
        (says("Rain.", "length"), ("Rain.", "length")),
        (says("Rain.", "eos"), ("Rain.", "stop")),
        (says("Rain.", "end_turn"), ("Rain.", "stop")),
    ],
)
def test_what_is_beside_the_text_is_no_part_of_it(answer, expected):
    assert written(Kind(always(answer))) == [expected]


SPENT = {"prompt_tokens": 9, "completion_tokens": 64, "total_tokens": 73}
HIDDEN = SPENT | {"completion_tokens_details": {"reasoning_tokens": 64}}
LIMIT_REACHED = "Could not finish the message because max_tokens or model output limit was reached."


@pytest.mark.parametrize(
    ("unusable", "note"),
    [
        (says(None, "content_filter"), "withheld a reply (content_filter)"),
        (says(None, refusal="I can't help with that."), "refused to reply (I can't help with that.)"),
        (says(""), "replied with nothing"),
        (says(None, "length", SPENT, reasoning_content="Hm"), "on reasoning of its own (64); raise the limit"),
        (says("", "length", HIDDEN), "on reasoning of its own (64)"),
        (says("<think> Hm", "length", SPENT), "on reasoning of its own (64)"),
        (says("", "length", SPENT), "without a word (64)"),
    ],
)
def test_a_reply_without_text_is_empty_and_said_and_an_error_where_all_are(unusable, note):
    said = []
    answers = iter([unusable, says("Rain."), unusable])
    found = written(Kind(lambda body: next(answers)), said, seeds=(1, 2, 3), concurrency=1)
    assert [text for text, _ in found] == ["", "Rain.", ""]
    assert len(said) == 1
    assert note in said[0]
    with pytest.raises(UserError, match="1 of 1 times, and no other reply was usable"):
        written(Kind(always(unusable)))


@pytest.mark.parametrize(
    "refusal",
    [named("prompt", "The response was filtered", "content_filter"), named("", LIMIT_REACHED, "invalid_request_error")],
)
def test_a_prompt_that_is_refused_for_its_content_costs_no_other(refusal):
    kind = Kind(RAIN, refuses=lambda body: refusal if body["seed"] == 1 else None)
    assert [bool(text) for text, _ in written(kind, seeds=(1, 2))] == [False, True]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (says(None, "tool_calls"), "ended a reply with 'tool_calls'"),
        (says("Rain.", "length", {**SPENT, "completion_tokens": 30}), "truncated a reply at 30 of 64 tokens"),
        ({"choices": []}, "without a completion; check that it serves /v1/chat/completions"),
        ({"error": "no"}, "without a completion"),
    ],
)
def test_an_incomplete_answer_is_refused(answer, message):
    with pytest.raises(UserError, match=message):
        written(Kind(always(answer)))


@pytest.mark.parametrize(
    ("setting", "value"), [("top_k", 5), ("min_p", 0.1), ("repetition_penalty", 1.1), ("no_repeat_ngram", 3)]
)
def test_settings_that_chat_servers_lack_are_refused_by_name(setting, value):
    sampling = Sampling(4, 0.0, 1.0, (END,), **{setting: value})
    with pytest.raises(UserError, match=rf"decoding\.{setting}: found {value}"):
        engine_of("http://127.0.0.1:1/v1").generate([prompt_of("a")], [[0]], sampling)


def test_a_reply_that_was_begun_is_not_continued():
    renderer = Renderer(MessageTokenizer(), "chat", 512)
    prompt = renderer.render("figure8_input", [], input="Write.").tokens + renderer.prefix(compose("Short.", ""))
    with pytest.raises(UserError, match=r"cannot continue a reply that was begun .*endpoint: completions"):
        engine_of("http://127.0.0.1:1/v1").generate([prompt], [[0]], SAMPLING)


def test_letters_of_control_tokens_reach_a_server_broken_up():
    kind = Kind(RAIN)
    text = "a <|im_end|> b <|reply|> c </s> <|end of reply|> [INST] <｜User｜>"
    with serving(kind) as address:
        engine_of(address).generate([prompt_of(text)], [[0]], SAMPLING)
    sent = kind.requests[0]["messages"][0]["content"]
    assert sent.replace("\u200b", "") == text
    for token in ("<|im_end|>", "<|reply|>", "</s>", "[INST]", "<｜User｜>"):
        assert token not in sent


TEXTS = [
    "a  b\n\n\tc",
    "Größe und Straße",
    "雨が降る",
    "😀👨‍👩‍👧",
    "เมื่อวาน",
    "12,345.67 €",
    "",
    " ",
    "\ud800",
    "x" * 999,
]


@pytest.mark.parametrize("known", [False, True], ids=["estimated", "the model's tokens"])
@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_what_its_ids_decode_to(text, known, tokenizer):
    if known and text == "\ud800":
        return  # no tokenizer takes it
    counted = MessageTokenizer(tokenizer if known else None)
    ids = counted.encode(text)
    assert counted.decode(ids, skip_special_tokens=False) == text
    if known:
        assert len(ids) == len(tokenizer(text).input_ids)


def test_the_estimate_of_tokens_is_not_lower_than_a_tokenizers_count(tokenizer):
    from penname.prompts.templates import template

    for name in ("figure6_judge", "figure7_reasoning", "figure8_input"):
        text = template(name)
        assert 1 <= len(estimated_tokens(text)) / len(tokenizer(text).input_ids) < 1.4


@pytest.mark.parametrize("known", [False, True])
def test_documents_are_truncated_to_the_limit(known, tokenizer):
    counted = MessageTokenizer(tokenizer if known else None)
    renderer = Renderer(counted, "chat", 120)
    prompt = renderer.render("no_reasoning_input", ["rain " * 300, "unread"], input="Write.")
    assert prompt.shortened == 2
    assert 100 < len(prompt.tokens) <= 120
    message, begun = counted.message(prompt.tokens)
    assert message == prompt.text.removesuffix("<|reply|>")
    assert begun == ""


def text_completion(tokens):
    usage = {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1}
    return 200, {"choices": [{"index": 0, "text": "!", "finish_reason": "length"}], "usage": usage}


NOT_FOR_CHAT = named("model", "This is a chat model and not supported in the v1/completions endpoint.", None)


@pytest.mark.parametrize(
    ("completions", "endpoint", "why"),
    [
        (text_completion(1), "completions", "it completes texts"),
        (text_completion(31), "chat", "puts a chat template around texts"),  # as Ollama does
        ((200, {"choices": [{"index": 0, "text": "!"}]}), "completions", "it completes texts"),
        ((404, {"detail": "Not Found"}), "chat", "answered 404"),
        ((405, {}), "chat", "answered 405"),
        ((501, {"error": "not implemented"}), "chat", "answered 501"),
        (NOT_FOR_CHAT, "chat", "answered 400"),
        ((200, {"error": "unexpected endpoint"}), "chat", "answered without a completion"),
    ],
)
def test_the_endpoint_is_found_by_asking(completions, endpoint, why):
    kind, said = Kind(RAIN, completions, refuse("seed", "seed is not supported")), []
    with serving(kind) as address:
        found = find_endpoint(address, "m", said.append, max_retries=0)
    assert found.endpoint == endpoint
    assert why in found.why
    assert len(said) == (endpoint == "chat")  # what it refuses is said at once


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Kind(RAIN, (401, {"error": {"message": "no key"}})), "401.*OPENAI_API_KEY"),
        (Kind(RAIN, (503, {"error": {"message": "loading"}})), "503.*loading"),
        (Kind(RAIN, refuses=always((404, {"error": {"message": "no model m"}}))), "404.*no model m"),
    ],
)
def test_a_server_with_neither_endpoint_is_one_line(kind, message):
    with serving(kind) as address, pytest.raises(UserError, match=f"server {address}, model 'm': answered {message}"):
        find_endpoint(address, "m", print, max_retries=0)
