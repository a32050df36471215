"""What users' files and recipes may have that nobody meant: values put in, taken out and renamed, anywhere."""

import copy
import os

from hypothesis import strategies as st

MANY = 12_000
"""So many examples of each kind are tried where PENNAME_TEST_MUTATIONS is `many`, as in `make test-slow`."""

EXAMPLES = MANY if os.environ.get("PENNAME_TEST_MUTATIONS") == "many" else 400

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),  # unpaired surrogates included
    st.sampled_from(["", " ", "\u0000", "\ud800", "1e999", "nan", "2020-13-45", "\u2028", "9" * 30]),
    st.lists(st.none() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3), max_size=2),
)


def mutated(record, draw):
    """The record with a field replaced, dropped, renamed or added, at any depth."""
    record = copy.deepcopy(record)
    place = record
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            return record
        key = draw(st.sampled_from(list(keys)))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        what = draw(st.sampled_from(["replace", "drop", "rename", "add"]))
        if what == "replace" or isinstance(place, list):
            place[key] = draw(ODD)
        elif what == "add":
            place[draw(st.text(max_size=5))] = draw(ODD)
        else:
            value = place.pop(key)
            if what == "rename":
                place[key.upper()] = value
        return record
