"""Draw a run's mean reward of every method, with 95 % bootstrap intervals: python docs/draw_rewards.py RUN FILE.svg

Needs matplotlib.
"""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from penname.evaluation.significance import bootstrap_interval
from penname.methods.pipeline import results_of

matplotlib.rcParams["svg.hashsalt"] = "penname"
run, target = Path(sys.argv[1]), Path(sys.argv[2])
results, _, _ = results_of([run])
figure, axes = plt.subplots(figsize=(7, 0.5 * len(results) + 1.2), layout="constrained")
for place, (method, examples) in enumerate(results.items()):
    rewards = np.array([example["metrics"]["reward"] for example in examples.values()], dtype=float)
    low, high = bootstrap_interval(np.zeros(len(rewards)), rewards, seed=0)
    axes.barh(place, rewards.mean(), color="#3b6ea5" if method == "rest-pg" else "#a9bcd0")
    axes.plot([low, high], [place, place], color="black", linewidth=1.5)
    axes.text(high + 0.01, place, f"{rewards.mean():.3f}", va="center")
axes.set_yticks(range(len(results)), list(results))
axes.invert_yaxis()
axes.set_xlabel(f"mean reward of {len(rewards)} test examples, with 95 % bootstrap interval")
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(target, metadata={"Date": None})
