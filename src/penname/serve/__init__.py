"""The server: what penname trains behind an OpenAI-compatible HTTP interface, with users' documents in a database."""
