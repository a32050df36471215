"""What feedback gives out as pairs is trained on by DPO."""

import json

import pytest
from tests.serve.serving import serving

from penname.config import DPOSettings
from penname.serve.store.opening import open_store
from penname.training.dpo import PreferencePair, train_dpo


@pytest.mark.slow
def test_a_model_is_trained_on_the_pairs(served_run, tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, serving(store, served_run) as server:
        client = server.with_key(store.add_key("acme"))
        client("PUT", "/v1/users/ada")
        for n in range(8):
            given = {"prompt": f"Write about {n}.", "response": "LOUD WORDS!", "edited": "quiet words"}
            client("POST", "/v1/users/ada/feedback", given)
        pairs = [json.loads(line) for line in client("GET", "/v1/users/ada/feedback?format=pairs").body.splitlines()]
        writer = client.app.state.penname.methods.get("sft").writer
        ready = [
            PreferencePair(
                writer.renderer.render("no_reasoning_input", [], input=pair["prompt"]).tokens,
                writer.renderer.target(pair["chosen"]),
                writer.renderer.target(pair["rejected"]),
            )
            for pair in pairs
        ]
        settings = DPOSettings(learning_rate=1e-2, batch_size=4, epochs=4, lora_rank=4)
        result = train_dpo(writer.setup.engine.model, ready, settings, tmp_path / "dpo", 0, lambda *_: None)
    assert (result.pairs, result.steps) == (8, 8)
    assert result.last_loss < result.first_loss
