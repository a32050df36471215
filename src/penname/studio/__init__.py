"""The studio: pages in a browser, for people who would rather look than type commands."""
