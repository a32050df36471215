"""What an import holds between its steps: files, what was read of them, and what is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

from penname.data.readers.table_preview import TablePreview
from penname.studio.importing.choice import Choice
from penname.studio.importing.folder import UploadFolder
from penname.studio.importing.found import Found


@dataclass
class Held:
    """What an import holds.

    expected: number of files that a page has said it will send.
    folder: the files; None once they are deleted.
    problem: why nothing was read or saved, in a line.
    table: how the table is understood, where the files are one.
    found: what was read.
    choice: whose texts are saved.
    saved: number of documents of each user that was saved.
    """

    expected: int = 0
    folder: UploadFolder | None = None
    problem: str | None = None
    table: TablePreview | None = None
    found: Found | None = None
    choice: Choice | None = None
    saved: dict[str, int] = field(default_factory=dict)

    def delete_files(self) -> None:
        """Delete the files, if there are any."""
        if self.folder is not None:
            self.folder.close()
            self.folder = None

    def delete_files_unless_table(self) -> None:
        """Delete the files, but for a table's, which is read again where other columns are chosen."""
        if self.table is None:
            self.delete_files()

    def by(self, user: str) -> set[int]:
        """Places of the authors whose texts are, or would be saved as, a user's."""
        if self.found is None or self.choice is None:
            return set()
        named = {place for place, author in enumerate(self.found.authors) if author.name == user}
        is_meant = self.choice.as_ == "one" and self.choice.name == user
        return named | self.choice.chosen if is_meant else named

    def drop(self, authors: set[int]) -> None:
        """Drop the texts of authors. authors: their places."""
        assert self.found is not None
        assert self.choice is not None
        self.found.rows -= sum(len(self.found.authors[place].documents) for place in authors)
        kept = [(place, author) for place, author in enumerate(self.found.authors) if place not in authors]
        self.choice.chosen = {new for new, (place, _) in enumerate(kept) if place in self.choice.chosen}
        self.found.authors = [author for _, author in kept]
        self.delete_files()  # which have the texts too
        self.table = None
