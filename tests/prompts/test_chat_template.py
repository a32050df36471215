"""Chat templates of widespread models: no thought, no date of today, and prompts that other programs know."""

import datetime

import pytest
import transformers.utils.chat_template_utils as chat_template_utils
from gguf import SpecialVocab
from tests.prompts.shapes import CHATML, EMPTY, SHAPES, Shape
from transformers import AutoTokenizer

from penname.engines.models import generation_ends
from penname.errors import UserError
from penname.prompts.chat_template import DATE, ChatTemplate
from penname.prompts.render import Renderer
from penname.rewards.judge import Judge
from penname.training.checkpoints import write_end_and_template

THINKING = {"Qwen3": "enable_thinking", "DeepSeek-V3.1": "thinking", "Gemma 4": "enable_thinking"}
ANALYSIS = "<|channel|>analysis<|message|>Hm."
DATED = ("Llama 3.2", "Mistral", "Magistral", "gpt-oss")


def renderer_of(name, **arguments):
    return Renderer(SHAPES[name].tokenizer(), "chat", 4000, chat_template_kwargs=arguments)


def prompt_of(renderer, text="Write about rain."):
    return renderer.render("no_reasoning_input", ["I like rain."], input=text)


@pytest.fixture
def today(monkeypatch):
    """Sets the day on which templates are rendered."""

    def set_day(day):
        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.combine(day, datetime.time(12))

        monkeypatch.setattr(chat_template_utils, "datetime", Clock)

    return set_day


@pytest.mark.parametrize("name", SHAPES)
def test_prompts_end_where_the_reply_begins_and_targets_with_its_end(name):
    shape, renderer = SHAPES[name], renderer_of(name)
    prompt = prompt_of(renderer)
    assert prompt.text.endswith(shape.asked)
    assert renderer.tokenizer.decode(prompt.tokens) == prompt.text
    assert renderer.end == shape.end
    target = renderer.target("It rained.")
    assert renderer.tokenizer.decode(target) == f"It rained.{shape.end}"
    assert renderer.completion(target) == "It rained."


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_trained_on_is_the_conversation_as_the_template_writes_it(name, today):
    """But for R1's and Gemma 4's, whose templates write no empty thought into replies that they are shown."""
    today(DATE)
    renderer = renderer_of(name)
    asked = renderer.chat.ask("Hello")
    whole = renderer.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
        tokenize=False,
        **renderer.chat.arguments,
    )
    assert whole.startswith(f"{asked}Hi{SHAPES[name].end}") == (name not in ("DeepSeek-R1", "Gemma 4"))


@pytest.mark.parametrize("name", SHAPES)
def test_thinking_is_off_and_that_is_told(name):
    notes = renderer_of(name).chat.notes
    told = [note for note in notes if "think" in note]
    if name in THINKING:
        switch = THINKING[name]
        assert told == [f"does not think ({switch}: false); chat_template_kwargs: {{{switch}: true}} changes that"]
    elif name == "Magistral":
        assert told == ["may think, as its chat template cannot prevent it: thoughts are cut off, but count as tokens"]
    elif name in ("Qwen3-Thinking", "DeepSeek-R1", "gpt-oss"):
        assert len(told) == 1
        assert told[0].startswith("does not think: its prompts end with ")
    else:
        assert told == []


@pytest.mark.parametrize(
    ("name", "arguments", "asked", "before"),
    [
        ("Qwen3", {"enable_thinking": True}, "<|im_start|>assistant\n", EMPTY),
        ("Qwen3-Thinking", {"enable_thinking": True}, "<|im_start|>assistant\n<think>\n", "\n</think>\n\n"),
        ("DeepSeek-R1", {"enable_thinking": True}, "<｜Assistant｜><think>\n", "\n</think>\n\n"),
        ("DeepSeek-V3.1", {"thinking": True}, "<｜Assistant｜><think>", "\n</think>\n\n"),
        ("DeepSeek-V3.1", {"enable_thinking": True}, "<｜Assistant｜><think>", "\n</think>\n\n"),
        ("gpt-oss", {"reasoning": True}, "<|start|>assistant", "<|channel|>final<|message|>"),
    ],
)
def test_a_model_that_is_to_think_is_trained_on_empty_thoughts(name, arguments, asked, before):
    renderer = renderer_of(name, **arguments)
    assert prompt_of(renderer).text.endswith(asked)
    target = renderer.target("Yes.")
    assert renderer.tokenizer.decode(target) == f"{before}Yes.{SHAPES[name].end}"
    assert renderer.completion(target).strip() == "Yes."
    assert renderer.tokenizer.decode(renderer.prefix("A summary. ")) == f"{before}A summary."


def written(name, text):
    """The token ids of what a model writes, control tokens among them."""
    return SHAPES[name].tokenizer()(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        *(
            (name, text, left)
            for name in ("Qwen3", "DeepSeek-R1", "Qwen3-Thinking")
            for text, left in (
                ("<think>\nHm.\n</think>\n\nIt rained.", "It rained."),
                ("Hm.\n</think>\n\nIt rained.", "It rained."),
                ("<think>a</think><think>b</think>It rained.", "It rained."),
                ("<think>a <think> b </think> c </think> It rained.", "It rained."),
                ("Well. <think>Hm.</think> It rained.", "It rained."),
                ("It rained. <think>Was that", "It rained."),
                ("<think>Hm. It rai", ""),
                ("<think>", ""),
                ("It rained, I think.", "It rained, I think."),
            )
        ),
        ("Magistral", "[THINK]Hm.[/THINK]It rained.", "It rained."),
        ("Magistral", "[THINK]Hm.", ""),
        ("gpt-oss", f"{ANALYSIS}<|end|><|start|>assistant<|channel|>final<|message|>Rain.", "Rain."),
        ("gpt-oss", ANALYSIS, ""),
        ("gpt-oss", f"{ANALYSIS}<|end|><|start|>assistant<|channel|>comment", ""),
        ("gpt-oss", "Rain.", "Rain."),
        ("Gemma 4", "<|channel>thought\nHm.<channel|>Rain.", "Rain."),
        ("Gemma 4", "<|channel>thought\nHm.", ""),
        ("Mistral", " <think>Hm.</think>Rain.", "Rain."),
        ("Mistral", "<thinking>Hm.</thinking>\nRain.", "Rain."),
        ("Mistral", "<thinking>Hm.", ""),
        ("Mistral", "She writes <think> and </think>.", "She writes <think> and </think>."),
    ],
)  # fmt: skip
def test_thoughts_are_cut_off(name, text, left):
    assert renderer_of(name).completion(written(name, text)).strip() == left


@pytest.mark.parametrize("name", ["Qwen3-Thinking", "DeepSeek-R1"])
def test_a_completion_that_begins_within_a_thought_is_one_until_that_ends(name):
    renderer = renderer_of(name, enable_thinking=True)
    assert renderer.completion(written(name, "Hm. It rai")) == ""
    assert renderer.completion(written(name, "Hm.</think>Rain.")) == "Rain."
    assert renderer.completion(written(name, " Rain."), continued=True) == " Rain."


def test_marks_that_only_the_template_names_are_obeyed_as_letters():
    shape = SHAPES["DeepSeek-R1"]
    renderer = Renderer(Shape(shape.template, shape.special, shape.asked, shape.end).tokenizer(), "chat", 4000)
    assert renderer.completion(renderer.tokenizer("Hm.</think>Rain.").input_ids) == "Rain."
    assert renderer.completion(renderer.tokenizer("Rain. <think>Hm.").input_ids) == "Rain. "


@pytest.mark.parametrize("name", ["Qwen3", "gpt-oss"])
def test_letters_of_marks_in_a_users_text_are_letters(name):
    renderer = renderer_of(name)
    text = "I write <think>, </think> and <|channel|> by hand."
    assert renderer.completion(renderer.target(text)) == text
    assert text in prompt_of(renderer, text).text


@pytest.mark.parametrize("name", SHAPES)
def test_no_prompt_depends_on_the_day(name, today):
    plain, own = [], []
    for day in (datetime.date(2031, 1, 30), datetime.date(2032, 12, 31)):
        today(day)
        renderer = renderer_of(name)
        messages = [{"role": "user", "content": "Hello"}]
        plain.append(renderer.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        own.append((prompt_of(renderer), renderer.target("Yes."), renderer.exported_template))
        assert not any(str(year) in prompt_of(renderer).text for year in (2031, 2032))
    assert own[0] == own[1]
    assert (plain[0] != plain[1]) == (name in DATED)
    assert any("2024-07-26" in note for note in renderer.chat.notes) == (name in DATED)


def test_the_date_is_the_recipes():
    tokenizer = SHAPES["Llama 3.2"].tokenizer()
    renderer = Renderer(tokenizer, "chat", 4000, chat_template_date=datetime.date(1999, 5, 3))
    assert "Today Date: 03 May 1999\n" in prompt_of(renderer).text
    given = ChatTemplate(tokenizer, {"date_string": "a Monday"})
    assert "Today Date: a Monday\n" in given.ask("Hello")


BROKEN = {
    "its own error": ("{{ raise_exception('A persona is required') }}", "chat template fails: A persona is required"),
    "an argument": ("{{ persona['name'] + messages[0].content }}", "chat template fails: 'persona' is undefined"),
    "broken": ("{% for m in messages %}", "chat template fails: Unexpected end of template"),
    "other content": (
        "{% for m in messages %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}",
        "for other",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_template_that_fails_is_one_line(fault):
    template, message = BROKEN[fault]
    with pytest.raises(UserError, match=message) as error:
        prompt_of(Renderer(Shape(template, ("</s>", "<s>"), "", "</s>").tokenizer(), "chat", 4000))
    assert "\n" not in str(error.value)


def test_a_template_gets_the_arguments_that_it_needs():
    template = "{{ '<s>' + persona['name'] + ', ' + messages[0].content + '</s>' }}{% if thinking %}<think>{% endif %}"
    tokenizer = Shape(template, ("</s>", "<s>"), "", "</s>").tokenizer()
    renderer = Renderer(tokenizer, "chat", 4000, chat_template_kwargs={"persona": {"name": "Ann"}})
    assert prompt_of(renderer).text.startswith("<s>Ann, The following context")
    assert renderer.chat.arguments == {"persona": {"name": "Ann"}, "thinking": False}


SETTINGS = [
    *((name, {}) for name in SHAPES),
    ("Qwen3", {"enable_thinking": True}),
    ("DeepSeek-R1", {"enable_thinking": True}),
    ("Llama 3.2", {"date_string": "a 'quoted' \"day\"\né {{ 1 }}"}),
]


@pytest.mark.parametrize(("name", "arguments"), SETTINGS)
def test_other_programs_ask_and_stop_as_it_was_trained(name, arguments, tmp_path, today):
    """Without any argument. vLLM reads these files with transformers' classes, llama.cpp's converter with gguf's."""
    today(datetime.date(2031, 1, 30))
    renderer = Renderer(SHAPES[name].tokenizer(), "chat", 4000, ends=(7,), chat_template_kwargs=arguments)
    renderer.tokenizer.save_pretrained(tmp_path)
    write_end_and_template(tmp_path, renderer.stop_ids, renderer.end, renderer.exported_template)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("Hello", " two\nlines "):
        messages = [{"role": "user", "content": text}]
        asked = loaded.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert asked == renderer.chat.ask(text)
    assert loaded.eos_token == SHAPES[name].end
    assert generation_ends(str(tmp_path)) == renderer.stop_ids == (loaded.eos_token_id, 7)
    converted = SpecialVocab(tmp_path)
    assert converted.special_token_ids["eos"] == loaded.eos_token_id
    assert converted.chat_template == renderer.exported_template
    again = Renderer(loaded, "chat", 4000, ends=(7,), chat_template_kwargs=arguments)
    assert prompt_of(again) == prompt_of(renderer)
    assert again.target("Yes.") == renderer.target("Yes.")


def test_a_template_without_arguments_is_exported_unchanged():
    assert renderer_of("Gemma 2").exported_template == SHAPES["Gemma 2"].template


@pytest.mark.parametrize("start", ["", " ", "\n", "\n\n  ", "  {% if 1 %}", "\n  {% if 1 %}", "x\n{%- if 1 %}"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n", " \n  ", "x\n"])
def test_white_space_around_the_exported_template_is_kept(start, end):
    endif = "{% endif %}" if "if" in start else ""
    template = f"{start}{{{{ messages[0].content }}}}{endif}{{% if add_generation_prompt %}}<think>{{% endif %}}{end}"
    tokenizer = Shape(template, ("</s>", "<s>"), "", "</s>").tokenizer()
    messages = [{"role": "user", "content": "Hello"}]
    asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    tokenizer.chat_template = ChatTemplate(tokenizer, {"extra": 1, "enable_thinking": False}).exported("</s>")
    own = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert own == asked + ("" if asked.endswith("x") else "\n</think>\n\n")


def test_the_named_default_of_several_templates_is_used():
    shape = SHAPES["Qwen3"]
    tokenizer = shape.tokenizer()
    tokenizer.chat_template = {"default": shape.template, "tool_use": CHATML}
    assert prompt_of(Renderer(tokenizer, "chat", 4000)) == prompt_of(renderer_of("Qwen3"))


class Scores:
    """An engine that scores, and keeps what it was asked."""

    def score(self, prompts, candidates):
        self.asked = (prompts, candidates)
        return [[[-1.0]] * len(own) for own in candidates]


@pytest.mark.parametrize("name", SHAPES)
def test_a_judge_scores_behind_any_thought(name):
    engine, renderer = Scores(), renderer_of(name)
    Judge(engine, renderer)(["x"], ["y"], ["z"])
    (prompt,), (candidates,) = engine.asked
    assert renderer.tokenizer.decode([*prompt, *candidates[0]]).endswith(f"{SHAPES[name].asked}1{SHAPES[name].end}")


def test_a_plain_model_has_no_template():
    renderer = Renderer(SHAPES["Qwen3"].tokenizer(), "plain", 4000)
    assert renderer.chat is None
    assert renderer.exported_template is None
    assert renderer.completion(renderer.tokenizer(" I like rain.").input_ids) == " I like rain."
    assert renderer.tokenizer.decode(renderer.target("Yes.")) == " Yes.<|im_end|>"
    assert "<think>" not in renderer.render("no_reasoning_input", [], input="x").text


def test_an_argument_that_is_nowhere_in_a_template_is_told():
    chat = renderer_of("Qwen3", enabel_thinking=True).chat
    assert chat.unknown_arguments == ["enabel_thinking"]
    assert renderer_of("Mistral", enable_thinking=True).chat.unknown_arguments == []
