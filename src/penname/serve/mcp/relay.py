"""The tools of a server, relayed over stdio: for programs that start a command rather than ask an address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from penname.errors import ArgumentError, UserError
from penname.serve.mcp.stdio import check_packages, serve_over_stdio

if TYPE_CHECKING:
    from mcp import Client
    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

PATH = "/mcp"

Answer = TypeVar("Answer")


def relay(address: str, key: str | None) -> None:
    """Answer an agent over stdin and stdout with what a server answers, until stdin ends.

    address: the server's, such as http://localhost:8000.
    key: sent to it.

    Raises UserError where packages are missing, and where the server does not answer or refuses the key.
    """
    check_packages()
    if urlsplit(address).scheme not in ("http", "https"):
        raise ArgumentError("server", f"found {address!r}, expected an address such as http://localhost:8000")
    asyncio.run(_relay(address.rstrip("/").removesuffix(PATH) + PATH, key))


async def _relay(address: str, key: str | None) -> None:
    from mcp import MCPError
    from mcp.server.lowlevel import Server

    relayed = _Relayed(address, key)
    try:
        name, version, instructions = await relayed.ask(_about)
    except MCPError as error:
        raise ArgumentError("server", f"{address} refuses: {error.message}") from None
    server = Server(
        name,
        version=version,
        instructions=instructions,
        on_list_tools=relayed.list_tools,
        on_call_tool=relayed.call_tool,
    )
    await serve_over_stdio(server)


async def _about(client: Client) -> tuple[str, str, str | None]:
    """The name of a server, its version, and what it tells agents."""
    shown = client.server_info
    return (shown.name, shown.version, client.instructions) if shown else ("penname", "", client.instructions)


class _Relayed:
    """Asks a server. Each request has a connection of its own, so that the server may be started again meanwhile."""

    def __init__(self, address: str, key: str | None) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def ask(self, question: Callable[[Client], Awaitable[Answer]]) -> Answer:
        """What a server answers. Raises MCPError for its errors, and UserError where it does not answer."""
        import httpx2
        from mcp import Client, MCPError
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client

        try:
            async with (
                create_mcp_http_client(self._headers) as http,
                Client(streamable_http_client(self._address, http_client=http)) as client,
            ):
                return await question(client)
        except Exception as error:
            fault = _innermost(error)
            if isinstance(fault, httpx2.HTTPError):
                raise ArgumentError("server", f"nothing answers at {self._address} ({fault})") from None
            if isinstance(fault, MCPError):
                raise fault from None
            raise

    async def list_tools(
        self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The server's tools."""
        from mcp import MCPError
        from mcp.types import INTERNAL_ERROR

        try:
            return await self.ask(lambda client: client.list_tools())
        except UserError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from None

    async def call_tool(self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        """What the server's tool answers."""
        from mcp.types import CallToolResult, TextContent

        try:
            return await self.ask(lambda client: client.call_tool(params.name, params.arguments))
        except UserError as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)


def _innermost(error: Exception) -> Exception:
    """The first error of those that were raised together."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
