"""A row alone is computed as among others, bit for bit, so that a text does not depend on what else is written."""

from __future__ import annotations

import pytest
import torch

from penname.engines.llama import _Linear, _onednn_supports

SIZES = [(960, 576), (576, 576), (3072, 576), (576, 1536)]
"""Those of the bundled model: rows and columns of its weights."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("reorder", [True, False], ids=["reordered", "as they are"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_row_alone_is_computed_as_among_others(size, reorder, dtype):
    if not _onednn_supports(dtype):
        pytest.skip("this processor has no such arithmetic")
    random = torch.Generator().manual_seed(0)
    out, inputs = size
    weight = (torch.randn(size, generator=random) * 0.05).to(dtype)
    linear = _Linear(weight, reorder_weights=reorder)
    for _ in range(40):
        rows = torch.randn(33, inputs, generator=random).to(dtype)
        residual = torch.randn(33, out, generator=random).to(dtype)
        together, added = linear(rows), linear.add_to(residual, rows)
        for count in (1, 2, 5, 16):
            assert torch.equal(linear(rows[:count]), together[:count])
            assert torch.equal(linear.add_to(residual[:count], rows[:count]), added[:count])
