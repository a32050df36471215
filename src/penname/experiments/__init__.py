"""Whole runs: their plan, their stages and what runs have in common, their results side by side."""
