"""Writes as a user with OpenAI's client: documents are sent once, then texts are asked for.

Start a server first: penname serve runs/quickstart
"""

from __future__ import annotations

import sys

import httpx
from openai import OpenAI

SERVER = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
DOCUMENTS = [
    "I grew up by the Elbe. Water is patient; it has all the time we lack.",
    "My grandmother counted barges. I count bridges, which do not move.",
]


def main() -> None:
    """Send the documents, and print a text as it is written."""
    answer = httpx.post(f"{SERVER}/v1/users/ada/documents", json={"documents": [{"text": text} for text in DOCUMENTS]})
    answer.raise_for_status()
    client = OpenAI(base_url=f"{SERVER}/v1", api_key="none")
    stream = client.chat.completions.create(
        model="penname/ada",
        messages=[{"role": "user", "content": "Write about rivers."}],
        seed=1,
        stream=True,
    )
    for event in stream:
        if event.choices:
            print(event.choices[0].delta.content or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
