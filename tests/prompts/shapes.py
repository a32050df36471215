"""Chat templates in the shapes of widespread models, each with a tokenizer that has its control tokens."""

from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

CHATML = (
    "{%- for m in messages %}{%- if m.role == 'assistant' %}ASSISTANT{%- else %}"
    "{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}ASKED{%- endif %}"
)
# Thoughts are taken out of earlier replies, and the last one gets an empty thought.
QWEN_REPLY = (
    "{%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}"
    "{{- '<|im_start|>assistant\\n' }}{%- if loop.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{{- content + '<|im_end|>\\n' }}"
)
QWEN_SWITCH = (
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{%- for m in messages %}{%- if m.role == 'user' %}{{- '<｜User｜>' + m.content }}"
    "{%- else %}{{- '<｜Assistant｜>PREFIX' + m.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<｜Assistant｜>' }}ASKED{%- endif %}"
)
LLAMA = (
    "{{- bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}"
    "{%- endif %}{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n' }}"
    "{{- '<|eot_id|>' }}"
    "{%- for m in messages %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim "
    "+ '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}\n"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"
)
PHI = (
    "{% for m in messages %}{{'<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
MISTRAL = (
    '{%- set today = strftime_now("%Y-%m-%d") %}{{- bos_token }}'
    "{{- '[SYSTEM_PROMPT]The current date is ' + today + '.[/SYSTEM_PROMPT]' }}"
    "{%- for m in messages %}{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{- raise_exception('roles must alternate') }}{%- endif %}{%- if m.role == 'user' %}"
    "{{- '[INST]' + m.content + '[/INST]' }}{%- else %}{{- m.content + eos_token }}{%- endif %}{%- endfor %}"
)
HARMONY = (
    "{{- '<|start|>system<|message|>Current date: ' + strftime_now('%Y-%m-%d') + '<|end|>' }}"
    "{%- for m in messages %}{%- if m.role == 'user' %}{{- '<|start|>user<|message|>' + m.content + '<|end|>' }}"
    "{%- elif loop.last and not add_generation_prompt %}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}{%- else %}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)
GEMMA_4 = (
    "{{ bos_token }}{%- if enable_thinking is defined and enable_thinking %}"
    "{{- '<|turn>system\\n<|think|><turn|>\\n' }}{%- endif %}"
    "{%- for m in messages %}{{- '<|turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' "
    "+ m.content.split('<channel|>')[-1] | trim + '<turn|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}"
    "{{- '<|turn>model\\n' }}{%- if not enable_thinking | default(false) %}{{- '<|channel>thought\\n<channel|>' }}"
    "{%- endif %}{%- endif %}"
)


@dataclass(frozen=True)
class Shape:
    """A template, its control tokens, and what comes of them.

    special: the special tokens; the first is the tokenizer's end of text, the second what texts begin with.
    asked: what a prompt ends with.
    end: the token that ends a reply.
    others: tokens that are added but not special.
    """

    template: str
    special: tuple[str, ...]
    asked: str
    end: str
    others: tuple[str, ...] = ()

    def tokenizer(self) -> PreTrainedTokenizerFast:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        bpe = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
        bpe.add_special_tokens([AddedToken(token, special=True) for token in self.special])
        bpe.add_tokens([AddedToken(token, special=False) for token in self.others])
        made = PreTrainedTokenizerFast(
            tokenizer_object=bpe, eos_token=self.special[0], bos_token=self.special[1], pad_token=self.special[0]
        )
        made.chat_template = self.template
        return made


THINK = ("<think>", "</think>")
CHATML_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|im_start|>")
DEEPSEEK_TOKENS = ("<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
EMPTY = "<think>\n\n</think>\n\n"

SHAPES = {
    "Qwen3": Shape(
        CHATML.replace("ASSISTANT", QWEN_REPLY).replace("ASKED", QWEN_SWITCH),
        CHATML_TOKENS,
        f"<|im_start|>assistant\n{EMPTY}",
        "<|im_end|>",
        THINK,
    ),
    "Qwen3-Thinking": Shape(
        CHATML.replace("ASSISTANT", QWEN_REPLY).replace("ASKED", "{{- '<think>\\n' }}"),
        CHATML_TOKENS,
        f"<|im_start|>assistant\n{EMPTY}",
        "<|im_end|>",
        THINK,
    ),
    "DeepSeek-R1": Shape(
        DEEPSEEK.replace("PREFIX", "").replace("ASKED", "{{- '<think>\\n' }}"),
        DEEPSEEK_TOKENS,
        f"<｜Assistant｜>{EMPTY}",
        "<｜end▁of▁sentence｜>",
        THINK,
    ),
    "DeepSeek-V3.1": Shape(
        DEEPSEEK.replace("PREFIX", "</think>").replace(
            "ASKED", "{%- if thinking %}{{- '<think>' }}{%- else %}{{- '</think>' }}{%- endif %}"
        ),
        DEEPSEEK_TOKENS,
        "<｜Assistant｜></think>",
        "<｜end▁of▁sentence｜>",
        THINK,
    ),
    "Magistral": Shape(
        MISTRAL.replace("is ' + today", "is ' + today + ' Think within [THINK] and [/THINK]'"),
        ("</s>", "<s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[THINK]", "[/THINK]"),
        "[/INST]",
        "</s>",
    ),
    "gpt-oss": Shape(
        HARMONY,
        ("<|return|>", "<|endoftext|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>"),
        "<|start|>assistant<|channel|>final<|message|>",
        "<|return|>",
    ),
    "Gemma 4": Shape(
        GEMMA_4,
        ("<eos>", "<bos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>"),
        "<|turn>model\n<|channel>thought\n<channel|>",
        "<turn|>",
    ),
    "Llama 3.2": Shape(
        LLAMA,
        ("<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ),
    "Gemma 2": Shape(
        GEMMA, ("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"), "<start_of_turn>model\n", "<end_of_turn>"
    ),
    "Phi-3": Shape(PHI, ("<|endoftext|>", "<s>", "<|user|>", "<|assistant|>", "<|end|>"), "<|assistant|>\n", "<|end|>"),
    "Mistral": Shape(
        MISTRAL, ("</s>", "<s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"), "[/INST]", "</s>"
    ),
}
