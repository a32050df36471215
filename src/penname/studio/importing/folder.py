"""A private folder for the files of an import while they are read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

from penname.serve.errors import ApiError
from penname.serve.private_folder import PrivateFolder, path_named


class UploadFolder(PrivateFolder):
    """A private folder that files are added to.

    size: bytes of the files in it.
    count: number of files in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = self.count = 0

    def add(self, name: str, content: BinaryIO) -> None:
        """Put a file into the folder. Raises ApiError for a name that cannot be a file's, or is there already."""
        path = self.path / path_named(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(content, file)
        except (FileExistsError, NotADirectoryError):
            raise ApiError(400, "found two files of one name, expected other names", "invalid_value", "file") from None
        except OSError as error:
            problem = f"found no room for the file ({(error.strerror or 'it cannot be written').lower()})"
            raise ApiError(507, problem, "no_room", "file") from None
        finally:
            if self.closed:  # meanwhile: what was made since goes too
                shutil.rmtree(self.outer, ignore_errors=True)
        if self.closed:
            raise ApiError(409, "the import was cancelled", "conflict")
        self.size += path.stat().st_size
        self.count += 1

    def place(self) -> tuple[Path, str | None]:
        """What is to be read: a single file, or else a folder; and the name of the folder that all files came in."""
        name, path = None, self.path
        inside = list(path.iterdir())
        if len(inside) == 1 and inside[0].is_dir():
            name, path = inside[0].name, inside[0]
            inside = list(path.iterdir())
        alone = name is None and len(inside) == 1
        return (inside[0] if alone else path), name

    def shortened(self, line: str) -> str:
        """A line that names files, without where the folder is."""
        place, _ = self.place() if not self.closed else (self.path, None)
        folder = place if place.is_dir() else place.parent
        return line.replace(f"{folder}/", "").replace(str(folder), "the files").replace(str(self.path), "the files")
