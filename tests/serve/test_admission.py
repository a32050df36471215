"""Which requests may wait: what was foretold too low of late is allowed for."""

import random

from penname.serve.admission import Admission
from penname.serve.errors import ApiError
from penname.serve.metrics import Metrics


def refused(admission, foretold):
    try:
        admission.check(foretold)
    except ApiError as error:
        return error.status
    return None


def test_waits_that_come_later_than_foretold_make_it_refuse_sooner():
    admission = Admission(10.0, Metrics())
    assert (refused(admission, 9.9), refused(admission, 10.1)) == (None, 429)
    generator = random.Random(0)
    for _ in range(200):
        admission.note_first_token(8.0 * generator.uniform(0.9, 1.2), foretold=8.0)
    accepted = max(foretold for foretold in range(70, 100) if refused(admission, foretold / 10) is None) / 10
    late = sum(accepted * generator.uniform(0.9, 1.2) > 10 for _ in range(1000))
    assert late < 100
    assert accepted > 8.2
    for _ in range(100):
        admission.note_first_token(7.0, foretold=8.0)
    assert refused(admission, 9.9) is None  # but never later than is foretold
    assert refused(admission, 10.1) == 429


def test_short_waits_and_few_ones_tell_nothing():
    admission = Admission(10.0, Metrics())
    for _ in range(100):
        admission.note_first_token(0.5, foretold=0.1)
    for _ in range(10):
        admission.note_first_token(20.0, foretold=5.0)
    assert refused(admission, 9.9) is None
