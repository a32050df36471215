"""What the routes work with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from penname.serve.access import Access
from penname.serve.admission import Admission
from penname.serve.in_flight import InFlight
from penname.serve.large_profiles import LargeProfiles
from penname.serve.methods import Methods
from penname.serve.metrics import Metrics
from penname.serve.store.store import Store
from penname.serve.uploads.uploads import Uploads


@dataclass(frozen=True)
class State:
    """What the routes work with. started: when the server was, in seconds since 1970."""

    store: Store
    methods: Methods
    access: Access
    admission: Admission
    metrics: Metrics
    in_flight: InFlight = field(default_factory=InFlight)
    large_profiles: LargeProfiles = field(default_factory=LargeProfiles)
    uploads: Uploads = field(default_factory=Uploads)
    started: int = field(default_factory=lambda: int(time.time()))
