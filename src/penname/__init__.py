"""penname: train a language model to write as each of your users would, and prove how well it does."""

__version__ = "0.1.0"
