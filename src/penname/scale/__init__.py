"""Many machines: a run's shards on Ray, its trainings on several processes. The results do not depend on their number.

The driver, the process that was started with the recipe, alone reads the data and writes the run's folder; workers get
items and give records back. Nothing needs to be shared between machines but the network.
"""

import os

# Read when ray is imported, or by the cluster that it starts on this machine.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
os.environ.setdefault("RAY_process_group_cleanup_enabled", "1")  # engines' processes end with the worker that has them
