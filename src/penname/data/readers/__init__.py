"""Reads users' texts in the formats in which programs write them, a module for each format."""
