"""Downloads data sets from the Hugging Face hub. `HF_HUB_OFFLINE` and `HF_ENDPOINT` are honoured."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from penname.data.rows import SUFFIXES
from penname.errors import UserError

# huggingface_hub is imported where it is needed: importing it takes a while.


@cache
def fetch(repository: str, configuration: str) -> Path:
    """The local folder with the files of one configuration of a data set, downloaded where they are missing.

    repository: OWNER/NAME of the data set.
    configuration: the folder that holds its files, by the hub's convention.

    Raises UserError where the hub cannot be reached or has no such files.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import disable_progress_bars, logging

    what = f"data set {repository!r} of the hub"
    disable_progress_bars()
    logging.set_verbosity_error()
    patterns = [f"{folder}{configuration}/*{suffix}" for folder in ("", "data/") for suffix in SUFFIXES]
    try:
        root = Path(snapshot_download(repository, repo_type="dataset", allow_patterns=patterns))
    except HfHubHTTPError as error:
        found = f"HTTP status {error.response.status_code}" if error.response is not None else "no answer"
        raise UserError(
            f"{what}: found {found}, expected its files; is the id right, and do you have access?"
        ) from None
    except HFValidationError:
        raise UserError(f"{what}: found no valid id, expected OWNER/NAME") from None
    except Exception as error:
        # No connection is an OSError; an interrupted download raises an error of its client, httpx or httpx2.
        if not isinstance(error, OSError) and not type(error).__module__.startswith("httpx"):
            raise
        raise UserError(
            f"{what}: found no connection to the hub and no local copy, expected one of them, or a local path"
        ) from None
    for folder in (root / configuration, root / "data" / configuration):
        if folder.is_dir():
            return folder
    raise UserError(f"{what}: found no folder {configuration!r} with data, expected one of its configurations as task")
