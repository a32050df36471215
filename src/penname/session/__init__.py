"""What a run, or a writer, keeps loaded while it works: one engine at a time, and how its prompts are rendered."""
