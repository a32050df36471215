"""One process of several that train together; torchrun starts it with the folder of a job's files."""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psutil
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

from penname.errors import UserError
from penname.training.checkpoints import newest_checkpoint
from penname.training.processes import DRIVER, JOB, PROBLEM, RESULT, STEPS, TRAINED, Job
from penname.training.sharded import whole_weights
from penname.training.trainer import step_logs

LOST_AFTER = timedelta(minutes=10)
"""Time that a process waits for the others in one exchange, after which it ends, as they may be cut off."""


WATCH = 0.5
"""Seconds between two looks at the process that started the training."""


def main() -> None:
    """Train the job whose files are in the folder that is given as the first argument."""
    Thread(target=_end_with_driver, daemon=True).start()
    files = Path(sys.argv[1])
    job: Job = pickle.loads((files / JOB).read_bytes())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=LOST_AFTER)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)  # or the Trainer would copy the model to each process
    try:
        train(job, device)
    except UserError as error:  # it would be the same at every attempt
        (files / PROBLEM).write_text(str(error), encoding="utf-8")
        raise SystemExit(1) from None  # torchrun then ends the others
    dist.barrier()  # or one would leave while others still exchange something with it
    dist.destroy_process_group()


def _end_with_driver() -> None:
    """End this process once torchrun, or the process that started it, is no more: they may have been killed."""
    torchrun, (driver, started) = os.getppid(), os.environ[DRIVER].split()
    while os.getppid() == torchrun:
        try:
            if str(psutil.Process(int(driver)).create_time()) != started:
                break
        except psutil.NoSuchProcess:
            break
        time.sleep(WATCH)
    os._exit(1)


def train(job: Job, device: str) -> None:
    """Train as one of the processes; the first one writes what comes out.

    device: "cpu" or "cuda".
    """
    first = dist.get_rank() == 0

    def on_step(step: int, loss: float) -> None:
        if first:
            with (job.files / STEPS).open("a", encoding="utf-8") as file:
                file.write(json.dumps([step, loss]) + "\n")

    trainer = job.make_trainer(device, on_step)
    found = [newest_checkpoint(job.checkpoints) if first else None]
    dist.broadcast_object_list(found)
    trainer.train(resume_from_checkpoint=found[0])
    whole = whole_weights(trainer.model)
    if first:
        save_file({name: tensor.contiguous().clone() for name, tensor in whole.items()}, job.files / TRAINED)
        held = sum(p.to_local().numel() for p in trainer.model.parameters() if isinstance(p, DTensor))
        (job.files / RESULT).write_text(json.dumps({"logs": step_logs(trainer), "held": held}), encoding="utf-8")


if __name__ == "__main__":
    main()
