"""Mutates files, to see what reading makes of them."""


def mutated(content, random, odd):
    """The bytes with some of them replaced, dropped, repeated or moved, or their end cut off.

    odd: what they are replaced by.
    """
    content = bytearray(content)
    for _ in range(random.randint(1, 6)):
        at, length = random.randrange(len(content) + 1), random.choice([0, 1, 1, 2, 8, 60])
        what = random.random()
        if what < 0.5:
            content[at : at + length] = random.choice(odd)
        elif what < 0.7:
            content[at:at] = content[at : at + length]
        elif what < 0.9:
            content[at : at + length] = b""
        else:
            del content[at:]
    return bytes(content)
