"""What agents can call: the tools, with their arguments and their results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers

from penname.data.records import Document
from penname.engines.base import FinishReason
from penname.generate.request import TextRequest
from penname.retrieval.known_words import KnownWords
from penname.serve.access import Caller
from penname.serve.backend import EngineFailed
from penname.serve.errors import engine_failed
from penname.serve.in_flight import tenant_user
from penname.serve.new_writing import new_writing
from penname.serve.requests import Text, TextWithWords
from penname.serve.routes.common import MOST_ON_A_PAGE
from penname.serve.routes.texts import user_asked
from penname.serve.state import State
from penname.serve.store.records import UnknownUser
from penname.serve.style import style_of
from penname.serve.writing import Order, Piece, Writing

MOST_FOUND = 50
MOST_LETTERS = 20_000
"""The beginning of a document that is shown, as an agent reads all that it is given."""

CARDS_AT_ONCE = CapacityLimiter(1)
"""A card takes a processor for a second."""


@dataclass(frozen=True)
class Agent:
    """Who calls a tool. headers: of the request; none over stdio."""

    caller: Caller
    headers: Headers


class Given(BaseModel):
    """Arguments; an agent is told those that do not exist, as it has misread something."""

    model_config = ConfigDict(extra="forbid")


UserId = Annotated[str, Field(min_length=1, max_length=2000, description="the user's id, one of list_users")]
Notes = Annotated[list[str], Field(description="what a reader of this should know")]


class WritingGiven(Given):
    """What is to be written."""

    user: UserId
    prompt: TextWithWords = Field(description="what to write, with all facts that belong in it")
    reasoning: Text | None = Field(None, description="thoughts on what to write and how, in the place of the model's")
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = Field(
        None, description="the same seed gives the same text; by default another each time"
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(None, description="longest text, in tokens")


class Written(BaseModel):
    """A text as a user would write it."""

    user: str
    text: str
    reasoning: str | None = Field(description="what the model thought first, or was given")
    finish_reason: FinishReason | None = Field(description="length: the text is cut off")
    documents: list[str | None] = Field(description="ids of the user's documents that the model was shown")
    method: str
    seed: int
    notes: Notes


class StyleGiven(Given):
    """Whose style is asked for."""

    user: UserId


class StyleShown(BaseModel):
    """How a user writes."""

    user: str
    card: str | None = Field(description="measurable habits of the user, where others write differently")
    compared_with_users: int
    compared_with_documents: int
    reasoning: str | None = Field(description="what the model thinks of the user, which its next text is written with")
    notes: Notes


class SearchGiven(Given):
    """Which documents are asked for."""

    user: UserId
    query: Annotated[TextWithWords, Field(max_length=4000)] = Field(description="what the documents are to be about")
    limit: Annotated[int, Field(ge=1, le=MOST_FOUND)] = 5


class Found(BaseModel):
    """A document that was found. shortened: whether `text` is only its beginning."""

    id: str | None
    title: str | None
    date: str | None
    text: str
    shortened: bool


class DocumentsFound(BaseModel):
    """Documents of a user, the most relevant first. total: how many the user has."""

    user: str
    documents: list[Found]
    total: int


class UsersGiven(Given):
    """Which part of the list of users is asked for."""

    after: Annotated[str, Field(max_length=4000)] = Field("", description="the last id of the page before")
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 100


class UsersListed(BaseModel):
    """A page of ids. has_more: whether there are others behind the last one."""

    users: list[str]
    has_more: bool
    notes: Notes


async def write_as_user(state: State, agent: Agent, given: WritingGiven) -> Written:
    """Write a text as a user would. Raises ApiError and UserError."""
    user = _whom(agent, given.user)
    order = Order(
        agent.caller,
        user,
        given.prompt,
        seed=given.seed,
        most_tokens=given.max_tokens,
        reasoning=given.reasoning,
    )
    writing = await new_writing(state, None, order)
    try:
        await writing.start()
        pieces = await _pieces(writing)
    finally:
        await writing.close()
    return Written(
        user=user,
        text="".join(piece.text for piece in pieces),
        reasoning="".join(piece.reasoning for piece in pieces) or None,
        finish_reason=pieces[-1].finish_reason,
        documents=writing.documents,
        method=writing.method,
        seed=writing.seed,
        notes=writing.notes,
    )


async def style_card(state: State, agent: Agent, given: StyleGiven) -> StyleShown:
    """Say how a user writes. Raises UserError."""
    return await run_sync(_style, state, agent, _whom(agent, given.user), limiter=CARDS_AT_ONCE)


async def find_documents(state: State, agent: Agent, given: SearchGiven) -> DocumentsFound:
    """Find documents as a prompt would show them. Raises UserError."""
    user, tenant, writer = _whom(agent, given.user), agent.caller.tenant, state.methods.get(None).writer
    slot: int | None = None

    def found_in(documents: Sequence[Document], known: KnownWords | None) -> DocumentsFound:
        found = writer.find(TextRequest(given.query, documents), given.limit, known)
        return DocumentsFound(user=user, documents=list(map(_shown, found)), total=len(documents))

    def documents() -> Sequence[Document]:
        nonlocal slot
        profile = state.store.profile(tenant, user)
        slot = profile.slot
        return profile.documents

    found = await state.large_profiles.search(tenant_user(tenant, user), documents, found_in)
    if slot is not None and state.store.is_forgotten(slot):  # meanwhile
        raise UnknownUser
    return found


async def list_users(state: State, agent: Agent, given: UsersGiven) -> UsersListed:
    """List the tenant's users; none for a program that names the user itself, as `/v1/models` does."""
    key = agent.caller.key
    if key is not None and key.proxy:
        return UsersListed(users=[], has_more=False, notes=["a key of a program that names the user lists no users"])
    found = await run_sync(state.store.users, agent.caller.tenant, given.after, given.limit + 1)
    return UsersListed(users=[user.id for user in found[: given.limit]], has_more=len(found) > given.limit, notes=[])


@dataclass(frozen=True)
class Tool:
    """A tool.

    name, title, description: told to agents and to those who use them.
    arguments, result: what it takes and gives.
    call: does it.
    read_only: whether nothing is kept of a call.
    """

    name: str
    title: str
    description: str
    arguments: type[BaseModel]
    result: type[BaseModel]
    call: Callable[[State, Agent, Any], Awaitable[BaseModel]]
    read_only: bool = True


TOOLS = (
    Tool(
        "write_as_user",
        "Write as a user",
        "Write a text as one of the users would, by a model that is trained for it and shown what the user has written "
        "before. It knows nothing of your conversation: put all facts that the text needs into the prompt, and do not "
        "describe the user's style. Takes seconds, for a long text a minute. For a user whom nobody knows it writes as "
        "for a new one, and says so in the notes.",
        WritingGiven,
        Written,
        write_as_user,
        read_only=False,  # the reasoning is kept
    ),
    Tool(
        "style_card",
        "Show a user's style",
        "Say in a few sentences what is unusual in how a user writes, counted in the user's texts and those of others: "
        "lengths, habits, greetings, favourite words. To explain or check a style; to have a text written, call "
        "write_as_user.",
        StyleGiven,
        StyleShown,
        style_card,
    ),
    Tool(
        "find_documents",
        "Find a user's documents",
        "Find what a user has written about something: whole texts with their ids and dates, the most relevant first.",
        SearchGiven,
        DocumentsFound,
        find_documents,
    ),
    Tool(
        "list_users",
        "List the users",
        "List the ids of the users as whom texts can be written, in the order of their ids, a page at a time.",
        UsersGiven,
        UsersListed,
        list_users,
    ),
)


def _whom(agent: Agent, named: str) -> str:
    """The user that a call is about. Raises ApiError for another one than is signed in."""
    user = user_asked(named, agent.headers, agent.caller)
    assert user is not None
    return user


async def _pieces(writing: Writing) -> list[Piece]:
    try:
        async with writing.until_stopped(), aclosing(writing.given_out()) as written:
            return [piece async for piece in written]
    except EngineFailed:
        raise engine_failed() from None


def _style(state: State, agent: Agent, user: str) -> StyleShown:
    tenant, method = agent.caller.tenant, state.methods.get(None)
    with state.store.while_known(tenant, user):
        style = style_of(state.store, tenant, user)
        kept = state.store.reasoning(tenant, user, method.model) if method.writer.setup.with_reasoning else None
    return StyleShown(
        user=user,
        card=style.card,
        compared_with_users=style.others,
        compared_with_documents=style.documents,
        reasoning=kept.text if kept else None,
        notes=list(style.notes),
    )


def _shown(document: Document) -> Found:
    text = document.text[:MOST_LETTERS]
    shortened = len(document.text) > MOST_LETTERS
    return Found(id=document.id, title=document.title, date=document.date, text=text, shortened=shortened)
