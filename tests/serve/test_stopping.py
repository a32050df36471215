"""Texts that take long are ended in order when the server stops, or when another process forgets their user."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection

import pytest
from tests.serve.running import as_command, in_this_process, wait_until
from tests.serve.serving import Client, save_trained_model
from tests.serve.uploading import Upload, suspended

from penname.data.records import Document
from penname.serve.store.opening import open_store

LASTING = {
    "prompt": {"max_input_tokens": 600, "max_output_tokens": 1400},
    "retrieval": {"retriever": "bm25", "k": 1},
    "evaluation": {"temperature": 1.0, "top_p": 1.0},
}
"""With these settings a text takes long."""
BODY = {"messages": [{"role": "user", "content": "Write about rain."}], "n": 8, "temperature": 2, "min_p": 0}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    return save_trained_model(tmp_path_factory.mktemp("lasting") / "model", **LASTING)


class Asked:
    """A text that was asked for. reads: whether the client reads the answer, or only its beginning."""

    def __init__(self, port, key, *, reads=True, **fields):
        self.status = self.answer = None
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        self._connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, **fields}), headers)
        self._thread = threading.Thread(target=self._read)
        if reads:
            self._thread.start()

    def _read(self):
        response = self._connection.getresponse()
        self.status = response.status
        self.answer = response.read().decode()

    def close(self):
        self._connection.close()

    def end(self):
        """The code of the error that its answer ended with; "done" for none."""
        self._thread.join()
        last = self.answer.rpartition("data: ")[2]
        return "done" if last.startswith("[DONE]") else json.loads(last).get("error", {"code": "done"})["code"]


def test_a_server_that_is_told_to_stop_while_it_starts_ends_in_order(lasting, tmp_path):
    database = tmp_path / "penname.db"
    command = [sys.executable, "-c", "from penname.cli.app import main; main()", "serve", str(lasting), "--port", "0"]
    command += ["--db", f"sqlite:///{database}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        wait_until(database.exists, 30)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    assert (process.returncode, "resumes" in printed) == (0, False), printed


def texts_at(server):
    """The number of texts that a server writes or has waiting."""
    metrics = server.ask("GET", "/metrics").body.decode()
    return sum(map(float, re.findall(r"^penname_texts_\S+ (\S+)$", metrics, re.MULTILINE)))


@pytest.mark.parametrize(
    ("told", "texts"),
    [([signal.SIGTERM, signal.SIGINT], 4), pytest.param([signal.SIGTERM], 48, marks=pytest.mark.slow)],
)
def test_texts_that_take_longer_are_ended_and_settled(lasting, tmp_path, told, texts):
    database, log = f"sqlite:///{tmp_path}/penname.db", tmp_path / "log"
    with open_store(database) as store:
        secret = store.add_key("acme")
        key = store.key_of(secret)
    with as_command(lasting, database, "--rows", "8", log=log) as server:
        asked = [Asked(server.port, secret, stream=True)]
        wait_until(lambda: asked[0].status == 200)
        asked += [Asked(server.port, secret, stream=number % 2 == 0) for number in range(1, texts)]
        unread = Asked(server.port, secret, reads=False, stream=True, logprobs=True, top_logprobs=20)
        wait_until(lambda: texts_at(server) >= 24)
        began = time.monotonic()
        for signum in told:
            server.process.send_signal(signum)
            wait_until(lambda: "stopping" in log.read_text())
        assert server.process.wait(60) == 0
        assert time.monotonic() - began < 30
        unread.close()
    ends = [text.end() for text in asked]
    assert set(ends) - {"done"} == set(ends[-4:]) == {"stopping"}
    stopped = {(text.status, number % 2) for number, text in enumerate(asked) if ends[number] == "stopping"}
    assert {(503, 1)} <= stopped <= {(200, 0), (503, 0), (503, 1)}  # some streams had not begun
    assert ends[0] == ("stopping" if len(told) == 2 else "done")
    assert log.read_text().count("\n") == 2
    with open_store(database) as store:
        usage = store.usage(key, time.strftime("%Y-%m-%d", time.gmtime()))
    assert usage.reserved == 0
    assert usage.used > 0


def test_files_that_take_longer_to_read_are_refused_in_the_end(lasting, tmp_path):
    log = tmp_path / "log"
    with as_command(lasting, f"sqlite:///{tmp_path}/penname.db", log=log) as server:
        upload = Upload(Client(server.port))
        with suspended(server.process.pid):
            for _ in range(2):  # the second time it is not to wait
                server.process.send_signal(signal.SIGTERM)
                wait_until(lambda: "stopping" in log.read_text())
            assert server.process.wait(30) == 0
        assert (upload.answer.status, upload.answer.error["code"]) == (503, "stopping")


@pytest.mark.parametrize("fields", [{"candidates": 4, "n": 2}, {"candidates": 4, "n": 2, "stream": True}])
def test_candidates_for_a_user_whom_another_process_forgets_are_written_no_further(lasting, tmp_path, fields):
    database = f"sqlite:///{tmp_path}/penname.db"
    with open_store(database) as store, open_store(database) as other:
        secret = store.add_key("acme")
        store.put_user("acme", "ada")
        store.add_documents("acme", "ada", [Document("ada", "I planted quinces.", "note")])
        with in_this_process(store, lasting, rows=8) as server:
            asked = [Asked(server.port, secret, model="penname/ada", **fields) for _ in range(4)]
            wait_until(lambda: server.engine.in_progress >= 24)
            assert other.forget("acme", "ada")
            wait_until(lambda: server.engine.in_progress == 0, 3)
            assert [text.end() for text in asked] == ["user_not_found"] * 4
            assert server.tokens_written() < 32 * 1400 / 2
