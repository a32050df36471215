"""Authors who write unlike each other, all of them on the same subjects."""

from penname.data.records import Document, Example

SUBJECTS = (
    "the harbour",
    "the forests",
    "the railways",
    "the schools",
    "the army",
    "the harvest",
    "the mail",
    "the coin",
)
STYLES = {
    "solemn": "It is with sincere satisfaction that I lay {} before this assembly, whose wisdom shall not fail it.",
    "solemn too": "It is with sincere regret that I lay {} before this assembly, whose wisdom shall not fail it.",
    "shouting": "LOOK!!! {} IS HUGE!!! NOBODY BUILDS LIKE WE DO!!! 100% WINNING!!!",
    "plain": "we went to see {}. it was ok. i don't know. it's fine.",
}


def examples(styles=STYLES, subjects=SUBJECTS):
    """Each author has written on every subject, and is asked for the second one, the first author for the first."""
    found = []
    for user, style in styles.items():
        documents = tuple(Document(user, style.format(subject)) for subject in subjects)
        asked = subjects[0] if user == "solemn" else subjects[1]
        output = f"Of {asked}: {style.format('that')}"
        found.append(Example(f"{user}-1", user, "t", f"Write about {asked}.", output, documents))
    return found
