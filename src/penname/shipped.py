"""The recipes that come with penname. Apart from what reads them: a shell that completes their names need not wait."""

from pathlib import Path


def shipped_recipes() -> dict[str, Path]:
    """The recipes' files by their names."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.yaml"))}
