"""How the models of a run are prompted: checked before anything is computed, told, and recorded."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from penname.engine_config import EngineConfig
from penname.errors import UserError
from penname.experiments.run_recipe import first_difference
from penname.prompts.render import Renderer
from penname.runs.folder import Record, read_json, write_text
from penname.session.session import Session

PROMPTING = "prompting.json"
"""File of a run with the record of each model, by its setting in the recipe."""


def describe_prompting(name: str, engine: EngineConfig, tokenizer: Any) -> tuple[Record, list[str]]:
    """How a model is prompted, as far as it depends on its tokenizer: a record, and what users should know.

    name: the setting that names the model.
    engine: its settings.
    tokenizer: its tokenizer.

    Raises UserError where its chat template cannot be used.
    """
    renderer = Renderer(
        tokenizer,
        engine.format,
        0,
        chat_template_kwargs=engine.chat_template_kwargs,
        chat_template_date=engine.chat_template_date,
    )
    try:
        found: Record = {"model": engine.model, "format": engine.format, "end": renderer.end}
        if renderer.chat is None:
            return found, []
        if unknown := renderer.chat.unknown_arguments:
            raise UserError(f"chat_template_kwargs has {unknown[0]!r}, which is nowhere in the chat template")
        template = hashlib.sha256(renderer.chat.source.encode()).hexdigest()[:16]
        date = str(engine.chat_template_date) if renderer.chat.prints_date else None
        used = {"chat_template": template, "chat_template_kwargs": renderer.chat.arguments, "chat_template_date": date}
        return found | used, renderer.chat.notes
    except UserError as error:
        raise UserError(f"{name}: model {engine.model!r}: {error}") from None


def record_prompting(session: Session) -> None:
    """Record and tell how a run's models are prompted.

    session: the session of the run.

    Raises UserError where a chat template cannot be used, or is another one than when the run was started.
    """
    path = session.run.folder / PROMPTING
    before = read_json(path) if path.is_file() else {}
    now: Record = {}
    for name, engine in session.recipe.engines_in_use().items():
        if engine.endpoint == "chat":  # the server has the chat template
            continue
        now[name], notes = describe_prompting(name, engine, session.engines.tokenizer(engine))
        if change := first_difference(before.get(name, now[name]), now[name], name):
            raise UserError(f"run folder {session.run.folder} was started with other prompts: {change}")
        for note in notes:
            session.run.progress.say(f"{name}: the model {note}")
    if now.keys() - before.keys():
        write_text(path, json.dumps(before | now, indent=2) + "\n")
