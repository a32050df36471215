"""penname: train a language model to write as each of your users would, and prove how well it does."""

import os

__version__ = "0.1.0"

# torch reads it at its first allocation. Large pages for tensors of 2 MiB and more, where Linux offers them on request:
# otherwise much of a training step and of a long prompt goes into mapping fresh memory in pages of 4 KiB.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# oneDNN, which torch computes with on a processor, keeps what it has prepared for each shape of a product: by default
# for 1,024 of them, which texts of all lengths soon fill with a gigabyte that is hardly ever used again.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")

# Threads that share a product wait for each other at its end, and libgomp, which torch computes with on Linux, lets
# them spin for milliseconds before they sleep. Beside another busy process one of them has no core for just as long,
# and the others spin in its way. A thousand rounds are enough for threads that all have a core
# (benchmarks/contention.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
