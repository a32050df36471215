"""A small file of each format, by its name."""

from tests.data.readers import samples_chats, samples_posts

SAMPLES = {**samples_chats.SAMPLES, **samples_posts.SAMPLES}
