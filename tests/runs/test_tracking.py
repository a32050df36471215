"""Trackers that are not installed are reported in a line; the others log a run's metrics."""

import pytest

from penname.errors import UserError
from penname.runs import tracking
from penname.runs.tracking import open_tracker


def test_a_tracker_that_is_not_installed_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with (
        pytest.raises(UserError, match="tracking: trackio is not installed; pip install trackio"),
        open_tracker("trackio", tmp_path),
    ):
        pass
    with open_tracker("none", tmp_path) as tracker:
        tracker.log({"loss": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_adds_to_its_metrics(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for step in (1, 2):
        with open_tracker("tensorboard", tmp_path) as tracker:
            tracker.log({"training/loss": 3.0 - step}, step)
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert {(event.step, event.value) for event in found.Scalars("training/loss")} == {(1, 2.0), (2, 1.0)}


def test_wandb_without_an_account_is_reported_in_a_line(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"^tracking: wandb: .*WANDB_MODE=offline"), open_tracker("wandb", tmp_path):
        pass
    wandb.teardown()  # it keeps its settings for the process


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_projects_log_metrics_without_an_account(tmp_path, monkeypatch, name):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    pytest.importorskip(name)
    with open_tracker(name, tmp_path) as tracker:
        tracker.log({"training/loss": 3.0}, 1)
    assert any(path.is_file() and path.stat().st_size for path in tmp_path.rglob("*"))
