"""`penname data convert` on a mailbox and a chat: its memory with ten times the texts, and its speed.

Both are made of the bundled corpus's words: a mailbox of 40 senders, and a Telegram export of a chat of two. Each size
is converted by a process of its own. The ratio is the peak memory for the larger file over that for the smaller one,
the worse of the two formats.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from common import finish

from penname.data.presidents import load_examples

TARGET = 1.2
MEBIBYTES = (100, 1000)
QUICK_MEBIBYTES = (2, 20)
PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
"""Runs a command and prints its peak memory in KiB: in a small process, as a new one begins with its parent's peak."""


def main() -> None:
    """Make the files, convert them, and print the result."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="2 and 20 MiB instead of 100 and 1,000")
    sizes = QUICK_MEBIBYTES if options.parse_args().quick else MEBIBYTES
    words = " ".join(example.output or "" for example in load_examples("train")).split()
    measured = {}
    for name, make in (("mail.mbox", mailbox), ("chat.json", chat)):
        measured[name] = [measure(name, make(random.Random(0), words), size * 2**20) for size in sizes]
    ratios = {name: large["peak_mib"] / small["peak_mib"] for name, (small, large) in measured.items()}
    finish(max(ratios.values()), TARGET, at_most=True, ratios=ratios, measured=measured)


def measure(name: str, parts: Iterator[bytes], size: int) -> dict[str, float]:
    """Convert a file of so many bytes; the peak memory of the process in MiB, its seconds, and MiB a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with path.open("wb") as file:
            for part in parts:
                file.write(part)
                if file.tell() > size:
                    break
            file.write(b',{"type": "service"}]}' if name.endswith(".json") else b"")
        penname = str(Path(sys.executable).with_name("penname"))
        command = [penname, "data", "convert", str(path), "--out", f"{folder}/out"]
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", PEAK, *command], stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return {"peak_mib": int(done.stdout) / 1024, "seconds": seconds, "mib_a_second": size / 2**20 / seconds}


def mailbox(rng: random.Random, words: list[str]) -> Iterator[bytes]:
    """Mails of 24 to 360 words, half of which answer the one before and quote it."""
    body = ""
    for number in range(2**40):
        quoted = f"\nOn Mon, 3 Jun 2002 Bob <bob@x.org> wrote:\n> {body[:60]}\n" if number % 2 else ""
        body = "\n".join(text(rng, words, 12) for _ in range(rng.choice((2, 5, 10, 30))))
        date = f"{1 + number % 28} Jun {2002 + number % 20} 10:{number % 60:02d}:00 +0200"
        headers = (
            f"From: u{rng.randrange(40)}@x.org\nMessage-ID: <{number}@x>\nSubject: Re: about {number}\nDate: {date}\n"
        )
        yield f"From - Mon Jun  3 10:00:00 2002\n{headers}\n{body}\n{quoted}\n".encode()


def chat(rng: random.Random, words: list[str]) -> Iterator[bytes]:
    """The messages of a Telegram export, of 3 to 40 words, up to the end of the list."""
    yield b'{"name": "A chat", "type": "personal_chat", "id": 1, "messages": ['
    for number in range(2**40):
        name, written = rng.choice(("Ann", "Ben")), text(rng, words, rng.choice((3, 8, 12, 20, 40)))
        message = {"id": number, "type": "message", "date_unixtime": str(1_500_000_000 + 60 * number), "from": name}
        entities = [{"type": "plain", "text": written}]
        message |= {"from_id": f"user{name}", "text": written, "text_entities": entities}
        yield (",\n" if number else "").encode() + json.dumps(message, indent=1).encode()


def text(rng: random.Random, words: list[str], count: int) -> str:
    """A line of so many words."""
    return " ".join(rng.choices(words, k=count))


if __name__ == "__main__":
    main()
