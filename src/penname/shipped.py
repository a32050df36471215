"""The recipes that come with penname; a module of its own, so that a shell can complete their names without delay."""

from pathlib import Path


def shipped_recipes() -> dict[str, Path]:
    """The file of each recipe, by its name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.yaml"))}
