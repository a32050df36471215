"""The tools behind the protocol, whatever carries it; errors are told in the words of the HTTP interface."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as ToolShown
from pydantic import ValidationError

from penname import __version__
from penname.errors import UserError
from penname.serve.errors import ApiError, of_user_error, server_failed
from penname.serve.invalid_fields import invalid
from penname.serve.mcp.tools import TOOLS, Agent, Tool
from penname.serve.state import State

INSTRUCTIONS = (
    "penname writes as each of its users would. For a text in a user's name, call write_as_user rather than imitating "
    "the user yourself, and show the text as it is."
)

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]


def make_server(state: State, agent_of: Callable[[Context], Agent]) -> Server[Any]:
    """A server of the tools.

    state: what they work with.
    agent_of: who sends a request.
    """
    # It logs errors with parts of requests.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    answers = _Answers(state, agent_of)
    return Server(
        "penname",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=answers.list_tools,
        on_call_tool=answers.call_tool,
    )


def error_result(message: str) -> CallToolResult:
    """What a tool answers where it fails. message: one line."""
    return CallToolResult(content=[TextContent(text=message)], is_error=True)


class _Answers:
    """Answers an agent's requests."""

    def __init__(self, state: State, agent_of: Callable[[Context], Agent]) -> None:
        self._state = state
        self._agent_of = agent_of
        self._tools = {tool.name: tool for tool in TOOLS}

    async def list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(map(_shown, TOOLS)))

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"found no such tool, expected one of {', '.join(self._tools)}")
        try:
            given = tool.arguments.model_validate(params.arguments or {})
            result = await tool.call(self._state, self._agent_of(context), given)
        except Exception as error:
            return self._failed(tool, error)
        text = TextContent(text=result.model_dump_json())
        return CallToolResult(content=[text], structured_content=result.model_dump(mode="json"))

    def _failed(self, tool: Tool, error: Exception) -> CallToolResult:
        told = _told(error)
        if told is None:
            # Its message may have a user's text.
            logger.error("%s: %s", tool.name, type(error).__name__)
            told = server_failed()
        if told.status == 429:
            self._state.metrics.count_refusal(told.code)
        again = "" if told.retry_after is None else f"; try again in {told.retry_after} s"
        return error_result(told.message + again)


def _told(error: Exception) -> ApiError | None:
    """An error as HTTP tells it; None for a failure of the server itself."""
    if isinstance(error, ValidationError):
        return invalid(error.errors(include_url=False))
    if isinstance(error, UserError):
        return of_user_error(error)
    return error if isinstance(error, ApiError) else None


def _shown(tool: Tool) -> ToolShown:
    return ToolShown(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(),
        output_schema=tool.result.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(
            read_only_hint=tool.read_only, destructive_hint=False, idempotent_hint=tool.read_only, open_world_hint=False
        ),
    )
