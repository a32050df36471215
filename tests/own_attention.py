"""A decoder that computes its attention itself, whatever attention function transformers is told to use."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class OwnConfig(PreTrainedConfig):
    model_type = "own-attention"
    vocab_size = 97
    hidden_size = 16
    initializer_range = 0.5  # with little weight on attention, what it sees would hardly be seen in the output


class OwnAttention(torch.nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.projections = torch.nn.Linear(size, 3 * size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        query, key, value = self.projections(hidden).chunk(3, dim=-1)
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


class OwnForCausalLM(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config: OwnConfig) -> None:
        super().__init__(config)
        self.embedding = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.attention = OwnAttention(config.hidden_size)
        self.head = torch.nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, **unused: Any) -> CausalLMOutput:
        hidden = self.embedding(input_ids)
        return CausalLMOutput(logits=self.head(hidden + self.attention(hidden)))


AutoConfig.register(OwnConfig.model_type, OwnConfig)
AutoModelForCausalLM.register(OwnConfig, OwnForCausalLM)
