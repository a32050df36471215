"""The tokenizer without transformers gives what that of transformers gives."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from penname.engines.tokenizer import LightTokenizer, load_light_tokenizer
from penname.prompts.render import Renderer

TEXTS = ("", "Hello  world!\n\n", " naïve ΟΔΟΣ 東京 🙂\t", "<|im_end|> inside", "it's 1,000 o'clock\r\n")


@pytest.fixture(params=["bundled", "tiny_model"])
def folder(request):
    return Path(request.getfixturevalue(request.param))


def test_texts_and_prompts_are_those_of_transformers(folder):
    own, other = load_light_tokenizer(str(folder)), AutoTokenizer.from_pretrained(folder)
    assert isinstance(own, LightTokenizer)
    assert (own.bos_token, own.eos_token_id, own.chat_template) == (
        other.bos_token,
        other.eos_token_id,
        other.chat_template,
    )
    assert sorted(own.all_special_ids) == sorted(other.all_special_ids)
    for text in TEXTS:
        tokens = own(text, add_special_tokens=False).input_ids
        assert tokens == other(text, add_special_tokens=False).input_ids
        tokens += [own.eos_token_id]
        assert own.decode(tokens, skip_special_tokens=True) == other.decode(tokens, skip_special_tokens=True)
    renderers = [Renderer(tokenizer, "chat", 512) for tokenizer in (own, other)]
    first, second = (one.render("no_reasoning_input", TEXTS, input="Write.") for one in renderers)
    assert first == second
    assert renderers[0].end_id == renderers[1].end_id


def test_with_other_settings_the_tokenizer_is_that_of_transformers(bundled, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(Path(bundled) / name, tmp_path)
    assert isinstance(load_light_tokenizer(str(tmp_path)), LightTokenizer)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"add_prefix_space": True}))
    assert not isinstance(load_light_tokenizer(str(tmp_path)), LightTokenizer)
