r"""A data format: a folder with a text file a user, a line a message, of which the last one is to be written.

penname train quickstart --run runs/chats --set 'data=[{format: examples.chats:chats, path: my-chats}]'
"""

from collections.abc import Iterator
from pathlib import Path

from penname import Document, Example

SPLITS = ("train", "train", "train", "val", "test")
"""In turn: so every fifth user is a test user, and users are never in two splits."""


def chats(path: Path, split: str) -> Iterator[Example]:
    """An example a user of `split`: their last message, with the ones before as the profile."""
    for number, file in enumerate(sorted(path.glob("*.txt"))):
        *before, last = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        if before and SPLITS[number % len(SPLITS)] == split:
            profile = tuple(Document(file.stem, text) for text in before)
            about = " ".join(last.split()[:3])
            yield Example(file.stem, file.stem, "chats", f"Write a message that begins: {about}", last, profile)
