"""A real server for tests: a run of tiny models, with and without reasoning, behind HTTP on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from penname.serve.app import make_app
from penname.serve.methods import Methods
from penname.serve.store.store import Store

METHODS = ("sft", "sft-reasoning")
TEMPLATES = {"sft": ["no_reasoning_input"], "sft-reasoning": ["figure8_input", "figure8_output"]}


def make_run(folder: Path, **changes: Any) -> Path:
    """A run's folder as training leaves it, with models of random weights. changes: sections of its recipe."""
    from penname.config import Recipe
    from penname.experiments.train import model_folder
    from penname.method_table import METHODS as ROWS
    from penname.prompts.templates import template_hash

    settings = {
        "data": [{"format": "presidents"}],
        "methods": list(METHODS),
        "generator": {"model": "bundled", "format": "plain"},
        "prompt": {"max_input_tokens": 600, "max_output_tokens": 40},
        "retrieval": {"k": 1},
        "evaluation": {"candidates": 1},
        "reward": {"mixture": {"rouge1": 1}},
        **changes,
    }
    recipe = Recipe.model_validate(settings)
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    sections = {
        name: getattr(recipe, name).model_dump(mode="json")
        for name in ("prompt", "retrieval", "decoding", "evaluation", "reward")
    }
    for name in METHODS:
        model = model_folder(folder, ROWS[name], recipe.expectation.iterations)
        save_model(model)
        facts = {
            "with_reasoning": ROWS[name].reasoning,
            "format": "plain",
            "chat_template_kwargs": {},
            "chat_template_date": "2024-07-26",
            "templates": {known: template_hash(known) for known in TEMPLATES[name]},
            **sections,
        }
        (model / "penname.json").write_text(json.dumps(facts))
    return folder


def save_trained_model(folder: Path, **settings: Any) -> Path:
    """`save_model`, with what penname writes beside models that it trained: settings in the place of its defaults."""
    save_model(folder)
    facts = {"with_reasoning": False, "format": "plain", "templates": {}, **settings}
    (folder / "penname.json").write_text(json.dumps(facts))
    return folder


def save_model(folder: Path) -> None:
    """A Llama of one small layer with a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = ["<|end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    letters = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<|end|>", pad_token="<|end|>")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    ends = {"eos_token_id": 0, "pad_token_id": 0}
    config = LlamaConfig(vocab_size=len(alphabet), num_key_value_heads=2, max_position_embeddings=2048, **sizes, **ends)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


@dataclass
class Client:
    """Asks a server. key: the secret that it sends; None for none."""

    port: int
    key: str | None = None
    app: Any = field(default=None, repr=False)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        files: Sequence[tuple[str, bytes]] = (),
        me: Sequence[str] = (),
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request. body: is sent as JSON; content: as it is; files, me: as a form."""
        sent = {**({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        if body is not None:
            content, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        if files:
            content, sent["Content-Type"] = form(files, me)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, content, sent | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def with_key(self, key: str | None) -> Client:
        return Client(self.port, key, self.app)


def form(files: Sequence[tuple[str, bytes]], me: Sequence[str]) -> tuple[bytes, str]:
    """A form with files, and its content type."""
    parts = [
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content
        for name, content in files
    ]
    parts += [f'Content-Disposition: form-data; name="me"\r\n\r\n{name}'.encode() for name in me]
    return b"".join(
        b"--edge\r\n" + part + b"\r\n" for part in parts
    ) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


@contextmanager
def in_thread(app: Any, **options: Any) -> Iterator[int]:
    """An application behind HTTP in a thread; yields its port. options: uvicorn's."""
    settings = {"port": 0, "log_level": "error", "timeout_graceful_shutdown": 3, **options}
    server = uvicorn.Server(uvicorn.Config(app, **settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def serving(
    store: Store,
    run: Path,
    *,
    key_required: bool = True,
    methods: Sequence[str] = METHODS,
    rows: int = 4,
    longest_wait: float = 20,
) -> Iterator[Client]:
    """A server of a run's methods in a thread of this process."""
    app = make_app(store, lambda: Methods(run, methods, rows), key_required=key_required, longest_wait=longest_wait)
    with in_thread(app) as port:
        yield Client(port, app=app)
