"""What workers did, as the report sums it up."""

from penname.runs.worker_log import WorkerLog, describe_workers, read_worker_log


def test_a_line_for_what_all_workers_did(tmp_path):
    assert describe_workers(tmp_path) is None
    log = WorkerLog(tmp_path)
    for worker, node in (("a:1", "n1"), ("b:2", "n2"), ("b:3", "n2")):
        log.event("started", worker, node)
    log.stage_started()
    log.count("a:1", shards=1, tokens=900)
    log.count("b:3", tokens=300)
    log.event("lost", "b:2", "n2", why="ended: ActorDiedError")
    log.stage_ended("samples")
    log.stage_started()
    log.count("a:1", shards=1)
    log.stage_ended("rewards")
    expected = "3 on 2 machines: 2 shards, 1,200 tokens; lost: b:2 ended: ActorDiedError"
    assert describe_workers(tmp_path) == expected
    with (tmp_path / "workers.jsonl").open("a") as file:
        file.write('{"event": "sta')  # a process was killed as it wrote
    assert describe_workers(tmp_path) == expected
    assert [e["shards"] for e in read_worker_log(tmp_path) if e["event"] == "stage"] == [1, 0, 1]
