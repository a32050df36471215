"""A process that forks one which writes into a store at each line it reads, and says what each write acknowledged."""

import os
import sys
from pathlib import Path

from penname.data.records import Document
from penname.serve.store.opening import open_store
from penname.serve.store.records import Feedback


def write(url: str, user_keys: Path, name: str) -> None:
    """Write without end: documents and feedback of one user, and other users who are forgotten."""
    store = open_store(url, user_keys)
    print("pid", os.getpid(), flush=True)
    store.put_user("t", name)
    number = 0
    while True:
        number += 1
        ids = store.add_documents("t", name, [Document("", f"text {number}") for _ in range(1 + number % 3)])
        print("documents", *ids, flush=True)
        print("feedback", store.add_feedback("t", name, Feedback("p", "r", thumbs="up")), flush=True)
        other = f"{name}-{number}"
        store.put_user("t", other)
        print("user", other, flush=True)
        if number % 2:
            store.forget("t", other)
            print("forgotten", other, flush=True)


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            write(sys.argv[1], Path(sys.argv[2]), line.strip())
        os.waitpid(child, 0)
        print("killed", flush=True)
