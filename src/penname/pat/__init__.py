"""PaT (arXiv 2604.24996), for users with little or no history: graph, agents and their training, baselines' prompts."""
