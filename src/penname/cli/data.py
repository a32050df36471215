"""`penname data`: describe a data set, check it, and make one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from penname.cli.control import CONTROL_EXAMPLES, control
from penname.cli.convert import CONVERT_EXAMPLES, convert
from penname.cli.help import complete_recipe, examples
from penname.cli.memorized import memorized_of_model, memorized_of_run, show_memorized
from penname.errors import ArgumentError, UserError

app = typer.Typer(no_args_is_help=True, help="Describe a data set, check it, and make one from texts of your own.")
console = Console()

DataArgument = Annotated[
    str,
    typer.Argument(
        help="A folder or file of data, a hub id OWNER/NAME, a recipe, or 'presidents'.", autocompletion=complete_recipe
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="longlamp, pgraphrag or jsonl; detected from the first record by default."),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", help="The task: for a hub id its configuration; for pgraphrag long, short or rating."),
]
SplitByUserOption = Annotated[
    bool, typer.Option("--split-by-user", help="Divide the users of pgraphrag's dev split into train, val and test.")
]
SharedOption = Annotated[
    str, typer.Option("--shared-names", help="keep, cap or drop users whose name many people share.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog=examples("penname data stats presidents", "penname data stats mine --png pictures"))
def stats(
    data: DataArgument,
    format: FormatOption = None,
    task: TaskOption = None,
    split_by_user: SplitByUserOption = False,
    shared_names: SharedOption = "keep",
    png: Annotated[Path | None, typer.Option("--png", help="Folder to save the histograms to, as PNG files.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the columns of the REST-PG paper's Table 2, and histograms; words are separated by white space."""
    from penname.data.load_report import LoadReport
    from penname.data.sources import read_split
    from penname.data.statistics import statistics_of

    report = LoadReport()
    splits = {
        name: statistics_of(read_split(source, split, report))
        for name, source, split in _splits(_sources(data, format, task, split_by_user, shared_names))
    }
    if png is not None:
        _save_all_histograms(splits, png)
    if as_json:
        summaries = {name: found.summary() for name, found in splits.items()}
        print(json.dumps({"splits": summaries, "skipped": report.skipped_records()}))
        return
    _show_statistics(splits)
    if found := report.summary():
        print(f"{found} (penname data validate names each)")


@app.command(epilog=examples("penname data validate presidents"))
def validate(
    data: DataArgument,
    format: FormatOption = None,
    task: TaskOption = None,
    split_by_user: SplitByUserOption = False,
    shared_names: SharedOption = "keep",
) -> None:
    """Report every bad row and other findings, one line each; exit code 2 if a row is bad.

    Rows without content that real data is known to have, such as those with an empty output, are not bad.
    """
    from penname.data.load_report import LoadReport
    from penname.data.sources import read_split
    from penname.data.statistics import texts_with_control_tokens
    from penname.errors import DataError

    bad_rows = 0
    for name, source, split in _splits(_sources(data, format, task, split_by_user, shared_names)):
        report, with_control_tokens = LoadReport(on_problem=lambda line: print(line)), 0
        try:
            for example in read_split(source, split, report):
                with_control_tokens += texts_with_control_tokens(example)
        except DataError as error:  # the whole file is bad; the other splits may be good
            print(error)
            bad_rows += 1
        skipped = report.summary() or "no row skipped"
        print(f"{name}: {report.rows:,} rows, {report.kept:,} kept; {skipped}")
        if with_control_tokens:
            print(
                f"{name}: control tokens of chat models, such as <|im_end|>, in {with_control_tokens:,} texts: letters"
            )
        bad_rows += report.faults
    if bad_rows:
        raise UserError(f"{data}: found {bad_rows:,} bad rows, expected none; each is named above")


@app.command(
    epilog=examples(
        "penname data leaks mine --setting user",
        "penname data leaks runs/mine",
    )
)
def leaks(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder or file of data, a hub id OWNER/NAME, a recipe, 'presidents', or the folder of a run.",
            autocompletion=complete_recipe,
        ),
    ],
    format: FormatOption = None,
    task: TaskOption = None,
    split_by_user: SplitByUserOption = False,
    shared_names: SharedOption = "keep",
    setting: Annotated[
        str | None,
        typer.Option(
            help="user or temporal; by default known from the end of the name, or else from whether outputs have dates."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model that was trained on the data: find what it has learned by heart.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Only these methods of a run.")] = None,
    targets: Annotated[int, typer.Option(min=1, help="Training targets that a model is asked to continue.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Find targets in their own contexts, users in two splits, and documents from the future; exit code 2 if any.

    Contexts are those of the recipe, or else the five best documents by BM25. Of a run, or of a model with its data,
    find what it has learned by heart instead: other users' training texts that it writes, and targets that it
    continues.
    """
    if (Path(data) / "recipe.yaml").is_file():
        if model is not None:
            raise UserError(
                f"--model: found {model!r}, but {data} is a run, whose own models are looked at; see --method"
            )
        show_memorized(data, memorized_of_run(Path(data), method, targets), as_json=as_json)
        return
    if any(Path(data).glob("*.safetensors")):
        raise UserError(f"{data}: found a model, expected its data: penname data leaks DATA --model {data}")
    if method is not None:
        raise UserError(f"--method: found {', '.join(method)}, but {data} is no run, and only a run has methods")
    if model is not None:
        sources = _sources(data, format, task, split_by_user, shared_names)
        show_memorized(model, memorized_of_model(model, sources, targets), as_json=as_json)
        return
    from penname.data.leaks import COPY, FUTURE, TWO_SPLITS, UNDATED, Leaks, setting_of
    from penname.data.load_report import LoadReport

    if setting not in (None, "user", "temporal"):
        raise UserError(f"--setting: found {setting!r}, expected user or temporal")
    found, report = Leaks(), LoadReport()
    settings = _retrieval(data)
    checked = [
        _find_leaks(source, setting or setting_of(source.task or source.path or ""), settings, found, report)
        for source in _sources(data, format, task, split_by_user, shared_names)
    ]
    serious = {kind: count for kind, count in found.counts.items() if kind in (COPY, TWO_SPLITS, FUTURE)}
    if as_json:
        notes = {kind: count for kind, count in found.counts.items() if kind not in serious}
        print(json.dumps({"leaks": serious, "notes": notes, "skipped": report.skipped_records()}))
    else:
        for line in found.lines:
            print(line)
        for kind, count in found.counts.items():
            print(f"{count:,} times: {kind}")
    _note_skipped(report)
    if serious:
        kinds = "; ".join(f"{count:,} times {kind}" for kind, count in serious.items())
        raise UserError(f"{data}: found {kinds}, expected no leak")
    if not as_json:
        undated = found.counts[UNDATED]
        unchecked = f"; the dates of {undated:,} examples could not be checked" if undated else ""
        print(f"no leak found ({', '.join(dict.fromkeys(checked))}{unchecked})")


@app.command(epilog=examples("penname data rank presidents --out ranking.jsonl --k 3"))
def rank(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="JSONL file to write, one line for each example.")],
    format: FormatOption = None,
    task: TaskOption = None,
    split_by_user: SplitByUserOption = False,
    shared_names: SharedOption = "keep",
    retriever: Annotated[str, typer.Option(help="bm25, dense, contriever, recency or random.")] = "bm25",
    encoder: Annotated[
        str | None, typer.Option(help="The encoder of dense and contriever: a folder or hub id.")
    ] = None,
    tokens: Annotated[
        str, typer.Option(help="How BM25 tokenizes texts: into words, or at whitespace as LongLaMP's scripts do.")
    ] = "words",
    documents: Annotated[str, typer.Option(help="Documents to rank: own, neighbours or both.")] = "own",
    k: Annotated[int, typer.Option(min=1, help="Documents for each example.")] = 5,
) -> None:
    """Rank every profile and write the positions in the profile of each example's k best documents, best first.

    Embeddings and long rankings are cached: a ranking that was stopped resumes where it stopped.
    """
    from penname.config import RetrievalConfig
    from penname.data.load_report import LoadReport
    from penname.data.sources import read_split
    from penname.retrieval.retrieve import make_retriever, retrieve_all
    from penname.runs.progress import ConsoleProgress

    sources = _sources(data, format, task, split_by_user, shared_names)
    values = {"retriever": retriever, "encoder": encoder, "tokens": tokens, "documents": documents, "k": k}
    settings = _checked(RetrievalConfig, data, values)
    ranked = make_retriever(settings.retriever, settings.encoder, 0, settings.tokens)
    out = out.resolve()
    if out.exists() and not out.is_file():
        raise UserError(f"--out {out}: found a {'folder' if out.is_dir() else 'device'}, expected a file to write")
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.penname-unfinished")
    report = LoadReport()
    try:
        with unfinished.open("w", encoding="utf-8") as file, ConsoleProgress(Console(stderr=True)) as progress:
            for name, source, split in _splits(sources):
                progress.start(name, sum(1 for _ in read_split(source, split, LoadReport())), "examples")
                examples = read_split(source, split, report)
                for example, context in retrieve_all(
                    examples, ranked, settings.k, settings.documents, lambda note: progress.advance(0, note=note)
                ):
                    file.write(json.dumps({"split": name, "id": example.id, "documents": _positions(example, context)}))
                    file.write("\n")
                    progress.advance(1)
                progress.finish()
        unfinished.replace(out)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}, expected a file that can be written") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    _note_skipped(report)


def _positions(example: Any, context: list[Any]) -> list[dict[str, Any]]:
    """The positions of the documents in the example's profile or neighbours; equal ones are in their order there."""
    positions: dict[int, list[int]] = {}
    for side in (example.profile, example.neighbours):
        for position, document in enumerate(side):
            positions.setdefault(id(document), []).append(position)
    return [{"user_id": d.user_id, "place": positions[id(d)].pop(0), "id": d.id} for d in context]


def _note_skipped(report: Any) -> None:
    if found := report.summary():
        print(f"penname: note: {found} (penname data validate names each)", file=sys.stderr)


app.command(epilog=examples(*CONVERT_EXAMPLES))(convert)
app.command(epilog=examples(*CONTROL_EXAMPLES))(control)


def _sources(data: str, format: str | None, task: str | None, split_by_user: bool, shared_names: str) -> list[Any]:
    """The sources that the argument `data` names, as in a recipe."""
    from penname.config import SourceConfig
    from penname.data.sources import detect, expand
    from penname.data.splits import files_of_dataset
    from penname.recipe_files import load_recipe

    def source(**values: Any) -> Any:
        return _checked(SourceConfig, data, values)

    options = {"split_by_user": split_by_user, "shared_names": None if shared_names == "keep" else shared_names}
    if data == "presidents":
        return [source(format="presidents", **options)]
    path = expand(data)
    if _is_recipe(data):
        return list(load_recipe(data).data)
    if not path.exists() and not files_of_dataset(path) and _could_be_a_hub_id(data):
        if task is None:
            missing = "no such file or folder; a data set of the hub needs --task, one of its configurations"
            raise UserError(f"{data}: found {missing}")
        return [source(format=format or "longlamp", hub=data, task=task, **options)]
    found = [(format, path)] if format is not None else detect(path)
    return [source(format=kind, path=str(part), task=task, **options) for kind, part in found]


def _could_be_a_hub_id(data: str) -> bool:
    """Whether `data` is OWNER/NAME without a folder OWNER; with such a folder it is more likely a mistyped path."""
    return data.count("/") == 1 and not data.startswith((".", "/", "~")) and not Path(data).parent.is_dir()


def _checked(section: Any, data: str, values: dict[str, Any]) -> Any:
    """A section of a recipe made from options; an option that is not given has the section's default.

    Raises UserError for options that do not go together, and ArgumentError for a wrong value of one.
    """
    from pydantic import ValidationError

    try:
        return section(**{name: value for name, value in values.items() if value not in (None, False)})
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if not problem["loc"]:
            raise UserError(f"{data}: {message}") from None
        raise ArgumentError(str(problem["loc"][0]), f"found {problem['input']!r}, expected {message}") from None


def _splits(sources: list[Any]) -> Iterator[tuple[str, Any, str]]:
    """The displayed name of every split, which begins with its source if there are several, with source and split."""
    from penname.data.sources import name_of, splits_of

    for source in sources:
        prefix = f"{Path(name_of(source)).stem}/" if len(sources) > 1 else ""
        for split in splits_of(source):
            yield prefix + split, source, split


def _retrieval(data: str) -> Any:
    """The retrieval settings of the recipe that `data` names, or else the default: five documents by BM25."""
    from penname.config import RetrievalConfig
    from penname.recipe_files import load_recipe

    return load_recipe(data).retrieval if _is_recipe(data) else RetrievalConfig(documents="both")


def _is_recipe(data: str) -> bool:
    from penname.shipped import shipped_recipes

    return data in shipped_recipes() or Path(data).suffix in (".yaml", ".yml")


def _find_leaks(source: Any, setting: str | None, settings: Any, found: Any, report: Any) -> str:
    """Find all kinds of leaks in a source; returns a description of what was checked."""
    from penname.data.leaks import Leaks, find_copies, find_future, find_shared_users
    from penname.data.sources import read_split, splits_of
    from penname.retrieval.retrieve import make_retriever, retrieve_all

    retriever = make_retriever(settings.retriever, settings.encoder, 0, settings.tokens)
    users: dict[str, set[str]] = {}
    future, dated = Leaks(), True
    for split in splits_of(source):
        users[split] = set()
        examples = read_split(source, split, report)
        for example, context in retrieve_all(examples, retriever, settings.k, settings.documents):
            users[split].add(example.user_id)
            find_copies(split, example, context, found)
            find_future(split, example, future)
            dated = dated and example.date is not None
    if setting == "temporal" or (setting is None and dated):
        found.include(future)
        return "contexts and dates checked"
    if setting is None and users.get("test") and users["test"] <= users.get("train", set()):
        return "contexts checked; every user of the test split writes in the train split too, as by --split texts"
    find_shared_users(users, found)
    return "contexts and users checked"


def _show_statistics(splits: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    from penname.reporting.histograms import to_text

    columns = ("examples", "users", "input\nwords", "output\nwords", "profile\nsize", "no\nhistory")
    name_first = (Column("split", overflow="fold"), *(Column(name, no_wrap=True) for name in columns))
    table = Table(*name_first, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, found in splits.items():
        summary = found.summary()
        means = [f"{mean:,.2f} ± {sd:,.2f}" for mean, sd in (summary[column] for column in found.columns())]
        share = f"{100 * summary['no_history']:.1f} %"
        table.add_row(name, f"{found.examples:,}", f"{summary['users']:,}", *means, share)
    console.print(table)
    for name, found in splits.items():
        for column, values in found.columns().items():
            if values:
                console.print(f"{name}: {column.replace('_', ' ')}", markup=False, highlight=False)
                console.print("\n".join(f"  {line}" for line in to_text(values)), markup=False, highlight=False)


def _save_all_histograms(splits: dict[str, Any], folder: Path) -> None:
    from penname.reporting.histograms import save_histograms

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, found in splits.items():
            if found.examples:
                save_histograms(
                    found.columns(), f"{name}: {found.examples:,} examples", folder / f"{name.replace('/', '-')}.png"
                )
    except OSError as error:
        raise UserError(f"--png {folder}: {error.strerror}, expected a folder that can be written") from None
