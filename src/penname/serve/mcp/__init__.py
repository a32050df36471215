"""For agents: tools by the Model Context Protocol, over HTTP at `/mcp` and over stdio by `penname mcp`."""
