"""`penname data convert`: makes a data set of what people bring, and shows how it is read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.console import Console

from penname.errors import UserError

CONVERT_EXAMPLES = (
    "penname data convert texts.csv --out mine --user author --text body",
    "penname data convert Sent.mbox --out mine --me ann@example.org",
)

MAX_FINDINGS = 20
"""How many problems are shown; the summary counts all."""

BAR_FROM_BYTES = 20 * 2**20
"""How much there is to read where progress is shown."""


def convert(
    data: Annotated[
        Path,
        typer.Argument(
            help="An export of mail, chats or posts, a table, texts (USER/NAME.txt), or a folder or zip of these."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="New folder for the documents and examples.")],
    user: Annotated[str | None, typer.Option(help="Column that names the user.")] = None,
    text: Annotated[str | None, typer.Option(help="Column of the text.")] = None,
    title: Annotated[str | None, typer.Option(help="Column of the title.")] = None,
    date: Annotated[str | None, typer.Option(help="Column of the date.")] = None,
    item: Annotated[str | None, typer.Option(help="Column of the item.")] = None,
    rating: Annotated[str | None, typer.Option(help="Column of the rating.")] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="leave-one-out (new users in test), time (each user's last text in test) or texts (all texts of each "
            "user, the last tenth in test); texts with --me or fewer than three users, else leave-one-out."
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="Name of the task.")] = "writing",
    min_documents: Annotated[int, typer.Option(min=2, help="Users with fewer documents are skipped.")] = 2,
    min_words: Annotated[int, typer.Option(min=1, help="Texts with fewer words are skipped.")] = 5,
    per_user: Annotated[
        int | None, typer.Option(min=1, help="Examples for each user: 1 with leave-one-out, all with texts by default.")
    ] = None,
    me: Annotated[
        list[str] | None,
        typer.Option(help="Your name or address, for texts of yours alone; several are one author."),
    ] = None,
    hash_users: Annotated[bool, typer.Option("--hash-users", help="Replace users' names by hashes.")] = False,
    mask: Annotated[
        bool, typer.Option("--mask", help="Mask names of others, addresses, phone and card numbers in texts.")
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option(help="Country of phone numbers to mask, such as DE; by default those that the texts speak of."),
    ] = None,
    titles_from_names: Annotated[
        bool, typer.Option("--titles-from-names", help="Take the names of text files as titles.")
    ] = False,
    delimiter: Annotated[
        str | None,
        typer.Option(help="What divides a table's cells: a character, or tab, comma, semicolon, pipe or space."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of tables and texts, such as cp1252 or gb18030; told by itself.")
    ] = None,
    date_format: Annotated[
        str | None,
        typer.Option(
            "--date-format",
            help="How a table's dates are written: dmy, mdy, ymd, or a pattern as in %d.%m.%Y; told by itself.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make examples from a collection of texts; near-duplicates among a user's texts are skipped."""
    from penname.data.convert import ConversionSettings, convert
    from penname.data.dates import date_column
    from penname.data.delimited import delimiter_named
    from penname.data.encodings import check_encoding
    from penname.data.load_report import LoadReport
    from penname.data.readers.base import ReadingSettings

    if split not in (None, "leave-one-out", "time", "texts"):
        raise UserError(f"--split: found {split!r}, expected leave-one-out, time or texts")
    if me is not None and not all(name.strip() for name in me):
        raise UserError("--me: found no text, expected a name or an address")
    if region and not mask:
        raise UserError(f"--region: found {' '.join(region)} without --mask, expected both")
    if not task.strip():
        raise UserError("--task: found no text, expected a name")
    check_encoding(encoding)
    column_options = {"user": user, "text": text, "title": title, "date": date, "item": item, "rating": rating}
    columns = tuple((kind, name) for kind, name in column_options.items() if name is not None)
    lines = ConversionLines(data, as_json)
    settings = ConversionSettings(
        split,  # type: ignore[arg-type]
        task,
        tuple(me or ()),
        min_documents,
        min_words,
        per_user,
        hash_users,
        mask,
        tuple(region or ()),
        ReadingSettings(
            columns,
            titles_from_names,
            say=lines.say,
            encoding=encoding,
            delimiter=delimiter_named(delimiter),
            dates=None if date_format is None else date_column(date_format),
        ),
    )
    report = LoadReport(on_problem=lines.show_finding, on_bytes=lines.advance_bytes)
    try:
        with lines:
            counts = convert(data, out, settings, report, lines.advance)
    except UserError:
        if found := report.summary():
            print(found, file=sys.stderr)
        raise
    if as_json:
        facts = {"rows": report.rows, "documents": report.kept, "examples": counts, "skipped": report.skipped_records()}
        print(json.dumps(facts))
        return
    examples = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{report.rows:,} rows, {report.kept:,} documents; examples: {examples}")
    if found := report.summary():
        print(found)
    print(f"in a recipe: data: [{{format: jsonl, path: {out}}}]")


class ConversionLines:
    """Shows how texts are read, and on standard error problems and, where there is much to read, a progress bar.

    path: what is converted.
    as_json: whether the result is printed as JSON, so that nothing else is on standard output.
    """

    def __init__(self, path: Path, as_json: bool) -> None:
        from penname.data.readers.choice import size_of
        from penname.runs.progress import ConsoleProgress

        self._progress = ConsoleProgress(Console(stderr=True))
        self._as_json = as_json
        self._findings = 0
        self._bytes = size_of(path) if path.exists() else 0
        self._is_long = self._bytes >= BAR_FROM_BYTES
        self._stage = ""
        self._megabytes_shown = self._bytes_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar, and say how many problems were not shown."""
        self._progress.__exit__(*error)
        if self._findings > MAX_FINDINGS:
            self._progress.say(f"penname: note: {self._findings - MAX_FINDINGS:,} more such lines")

    def say(self, line: str) -> None:
        """Show a line on how the texts are read."""
        print(line, file=sys.stderr if self._as_json else sys.stdout)

    def show_finding(self, line: str) -> None:
        """Show a problem, if there were not too many before."""
        self._findings += 1
        if self._findings <= MAX_FINDINGS:
            self._progress.say(line)

    def advance_bytes(self, count: int) -> None:
        """Show that so many more bytes were read."""
        self._bytes_read += count
        megabytes = self._bytes_read // 2**20
        if megabytes > self._megabytes_shown:
            self.advance("reading", megabytes - self._megabytes_shown, self._bytes // 2**20)
            self._megabytes_shown = megabytes

    def advance(self, stage: str, count: int, total: int) -> None:
        """Show how far a stage is.

        count: how many more of its units are done.
        total: how many there are.
        """
        if not self._is_long:
            return
        if stage != self._stage:
            self._progress.start(stage, total, "MB" if stage == "reading" else "texts")
            self._stage = stage
        self._progress.advance(count)
