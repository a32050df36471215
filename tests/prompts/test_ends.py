"""Where a turn ends: with what the chat template writes after a reply, and whatever else generation_config.json has."""

import json

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from penname.engines.models import generation_ends, load_tokenizer
from penname.engines.tokenizer import load_light_tokenizer
from penname.prompts.render import Renderer
from penname.training.checkpoints import write_end_and_template

PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.fixture
def phi(tiny_model, tmp_path):
    """A model of Phi-3's shape: its turns end with a token that is special, but none of the named special tokens."""
    tokenizer = load_tokenizer(str(tiny_model)).backend_tokenizer
    tokenizer.add_special_tokens(["<|endoftext|>"])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    made.chat_template = PHI
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.resize_token_embeddings(len(made))
    model.save_pretrained(tmp_path)
    made.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("load", [load_tokenizer, load_light_tokenizer])
def test_a_turn_ends_with_the_templates_token(phi, load):
    tokenizer = load(str(phi))
    renderer = Renderer(tokenizer, "chat", 512)
    assert renderer.end == "<|end|>"
    assert renderer.target("yes")[-1] == renderer.end_id != tokenizer.eos_token_id


def test_all_ends_of_generation_config_end_a_text(phi):
    (phi / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    renderer = Renderer(load_tokenizer(str(phi)), "chat", 512, ends=generation_ends(str(phi)))
    assert renderer.stop_ids == (renderer.end_id, 7, 9)
    (phi / "generation_config.json").write_text(json.dumps({"eos_token_id": 9}))
    assert generation_ends(str(phi)) == (9,)
    (phi / "generation_config.json").unlink()
    assert generation_ends(str(phi)) == ()


def test_what_was_trained_stops_by_itself_in_transformers(phi):
    """The tiny model has learned to end a reply with <|end|>; with its tokenizer's end of text alone it would go on."""
    prompt = Renderer(load_tokenizer(str(phi)), "chat", 512).render(
        "no_reasoning_input", ["I wrote of rain before, in note 1."], input="Write about rain, note 4."
    )
    renderer = Renderer(load_tokenizer(str(phi)), "chat", 512, ends=(1100,))
    write_end_and_template(phi, renderer.stop_ids, renderer.end, renderer.exported_template)
    tokenizer, model = AutoTokenizer.from_pretrained(phi), AutoModelForCausalLM.from_pretrained(phi)
    written = model.generate(tokenizer(prompt.text, return_tensors="pt").input_ids, max_new_tokens=120, do_sample=False)
    reply = written[0, len(prompt.tokens) :].tolist()
    assert len(reply) < 120
    assert reply[-1] == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|end|>")
    assert model.generation_config.eos_token_id == [reply[-1], 1100]
