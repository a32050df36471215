"""What Open WebUI sends: its jobs beside a conversation, as its templates have them, and its requests."""

from __future__ import annotations

HISTORY = "<chat_history>\n{turns}\n</chat_history>"


def _template(task: str, output: str) -> str:
    """A template as Open WebUI has them, up to the conversation, with other words between its marks."""
    return f"### Task:\n{task}\n### Guidelines:\n- Be brief.\n\n### Output:\nJSON: {output}\n\n### Chat History:\n"


TITLE = _template("Find a title.", '{ "title": "short title" }\n### Examples:\n- { "title": "Bread" },')
TAGS = _template("Find tags.", '{ "tags": ["tag1", "tag2"] }')
FOLLOW_UPS = _template("Find questions.", '{ "follow_ups": ["What?", "Why?"] }')
QUERIES = _template('Find search queries, or { "queries": [] }.', '\n{\n  "queries": ["query1", "query2"]\n}')
IMAGE = _template("Describe an image.", '\n{\n    "prompt": "A description."\n}')

AUTOCOMPLETION = """### Task:
Continue what stands in `<text>`; if unsure, answer `{ "text": "" }`.

### **Examples**:
<type>General</type>
<text>The rain was falling on</text>
Output:
{ "text": "the roofs." }

---
### Context:
"""

COMPACTION = """### Task:
Make the conversation shorter.

### Previous Summary:


### Messages Being Compacted:
USER: Write about rain.

### Recent Messages Kept In Context:
ASSISTANT: It rained."""

EMOJI = """Your task is to find the emoji of the speaker's face (😊, 😢).

Message: ```It rained all day.```"""

RAG = """### Task:
Answer from the context, with citations.

### Output:
An answer.

<context>
{ "title": "a document" }
</context>

<user_query>
Write about rain.
</user_query>
"""
"""No job: what the user asked for, with documents that Open WebUI has found."""

HEADERS = {
    "Authorization": "Bearer sk-anything",
    "Content-Type": "application/json",
    "X-OpenWebUI-User-Name": "Ada%20Lovelace",
    "X-OpenWebUI-User-Id": "6d0c1f2e-3c8c-4c53-9df6-0a8f5b9f9f10",
    "X-OpenWebUI-User-Email": "ada@example.org",
    "X-OpenWebUI-User-Role": "user",
    "X-OpenWebUI-Chat-Id": "0b0ad4b2-0d9a-4fb4-8f57-5c8b1d8e1d11",
}


def job(template: str, turns: str, after: str = "") -> str:
    """A job about a conversation."""
    return template + HISTORY.format(turns=turns) + after


def conversation(text: str, **fields: object) -> dict[str, object]:
    """The body of a request for the next turn, as Open WebUI sends it."""
    return {
        "stream": True,
        "model": "penname/ada",
        "messages": [{"role": "user", "content": text}],
        "stream_options": {"include_usage": True},
        "temperature": 0.7,
        **fields,
    }


def job_request(text: str, **fields: object) -> dict[str, object]:
    """The body of a request for a job, as Open WebUI sends it."""
    asked = {"model": "penname/ada", "messages": [{"role": "user", "content": text}], "stream": False}
    return {**asked, "max_completion_tokens": 1000, **fields}
