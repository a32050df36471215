"""Asking a run's servers, before anything is computed, which endpoint they have and whether they can judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penname.config import Recipe
from penname.engine_config import EngineConfig
from penname.engines.connection import PATHS
from penname.engines.endpoints import FoundEndpoint, find_endpoint
from penname.engines.models import load_tokenizer
from penname.errors import UserError
from penname.session.session import Session

Say = Callable[[str], object]


def ask_for_endpoints(recipe: Recipe, say: Say) -> Recipe:
    """The recipe with the endpoints of the servers in use, each asked where the recipe does not name one.

    recipe: the recipe.
    say: told what was found.

    Raises UserError where a server cannot be used.
    """
    asked = {name: config for name, config in recipe.engines_in_use().items() if config.asks_for_endpoint}
    answers: dict[tuple[object, str], FoundEndpoint] = {}
    for name, config in asked.items():
        assert config.base_url is not None
        server = config.base_url, config.model
        found = answers[server] = answers.get(server) or find_endpoint(config.base_url, config.model, say)
        chosen = config.model_copy(update={"endpoint": found.endpoint})
        say(f"{describe_server(name, chosen)}: {found.why}")
        tokenizer_of(name, chosen)
        recipe = recipe.with_endpoints({name: found.endpoint})
    return recipe


def describe_server(name: str, config: EngineConfig) -> str:
    """A line on how a server is used.

    name: its engine's dotted name in the recipe.
    config: the engine, of kind `openai`.
    """
    addresses = config.base_url if isinstance(config.base_url, str) else ", ".join(config.base_url or ())
    if config.asks_for_endpoint:
        how = "completions or else chat/completions, as the server has it"
    elif config.endpoint == "chat":
        counted = "estimated" if config.tokenizer is None else f"those of {config.tokenizer}"
        how = f"{PATHS['chat'][1:]}, numbers of tokens are {counted}"
    else:
        how = PATHS["completions"][1:]
    return f"{name}: {config.model} at {addresses}, {how}"


def check_chat_judge(session: Session) -> None:
    """Raise UserError where the judge's server has chat completions and does not show the scores' probabilities.

    session: the session of the run.

    A run judges only after hours of training and writing.
    """
    judge = session.recipe.engines_in_use().get("reward.judge")
    if judge is not None and judge.endpoint == "chat":
        session.judge()(["Write about rain."], ["It rained all day."], ["It rained all day."])
        session.release()


def tokenizer_of(name: str, config: EngineConfig) -> Any:
    """An engine's tokenizer; None for a server whose is not known.

    name: its dotted name in the recipe.
    config: the engine.

    Raises UserError where it cannot be loaded.
    """
    if config.tokenizer_name is None:
        return None
    try:
        return load_tokenizer(config.tokenizer_name)
    except UserError as error:
        if config.kind != "openai":
            raise
        what = "name that of the server's model, or set endpoint: chat, which needs none"
        raise UserError(f"{name}.tokenizer: {error}; {what}") from None
