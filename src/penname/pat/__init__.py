"""PaT, for users with little or no history: its graph, its agents and their training, and its baselines' prompts."""
