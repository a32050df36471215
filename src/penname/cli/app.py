"""The commands of penname, except those in groups: arguments are read, the library is called, results are printed."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from penname import __version__
from penname.cli import data as cli_data
from penname.cli import humans as cli_humans
from penname.cli import mcp as cli_mcp
from penname.cli import serve as cli_serve
from penname.cli import studio as cli_studio
from penname.cli.help import (
    DATA,
    MACHINE,
    START,
    TRAIN,
    WRITE,
    InOrderOfWork,
    complete_method,
    complete_recipe,
    examples,
)
from penname.cli.show import (
    console,
    show,
    show_curves,
    show_example,
    show_notes,
    show_plan,
    show_table,
    show_three_authors,
)
from penname.errors import ArgumentError, DataError, UserError

if TYPE_CHECKING:
    from penname.config import Recipe
    from penname.runs.progress import ConsoleProgress

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")  # no progress bars of other libraries

HELP = (
    "Train a language model to write as each of your users would, from what they have already written, and show with "
    "paired tests how well it does.\n\n"
    "The usual order: quickstart shows everything on the model and texts that come with penname. For texts of your "
    "own, data convert makes examples from them and data validate checks these; train trains and compares the methods "
    "of a recipe; report makes a page of the results; generate writes for a user. A command that was stopped resumes "
    "where it stopped when it is started again."
)

app = typer.Typer(
    cls=InOrderOfWork,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=HELP,
    epilog=examples(
        "penname quickstart",
        "penname data convert texts.csv --out mine --user author --text body",
        "penname train laptop --set 'data=[{format: jsonl, path: mine}]'",
        "penname report runs/laptop",
        'penname generate --model runs/laptop --profile my_texts/ \\\n  --prompt "Write about rain."',
    ),
)
app.add_typer(cli_data.app, name="data", rich_help_panel=DATA)
app.add_typer(cli_humans.app, name="judge-humans", rich_help_panel=TRAIN)
cli_studio.register(app)
cli_serve.register(app)
cli_mcp.register(app)

RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe file, or a shipped recipe's name.", autocompletion=complete_recipe)
]
RunArgument = Annotated[Path, typer.Argument(help="Folder of a run.")]
RunsArgument = Annotated[list[Path], typer.Argument(help="Folders of runs.")]
RunOption = Annotated[
    Path | None, typer.Option("--run", help="Folder of the run, runs/RECIPE by default; started again, it resumes.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another value for a setting of the recipe, as in expectation.samples=8; repeatable."),
]
DonorOption = Annotated[
    Path | None, typer.Option("--from", help="An earlier run whose stages are reused where the settings are the same.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MethodsOption = Annotated[
    list[str] | None,
    typer.Option("--method", help="Only this method; repeatable. All by default.", autocompletion=complete_method),
]
SplitOption = Annotated[str, typer.Option(help="val or test.")]
RecipeSplitOption = Annotated[str | None, typer.Option(help="val or test; the recipe's evaluation split by default.")]
MetricOption = Annotated[str, typer.Option(help="The metric that the curve shows.")]
HolmOption = Annotated[bool, typer.Option("--holm", help="Correct the tests for multiple comparisons (Holm, 1979).")]
OverSeedsOption = Annotated[
    bool, typer.Option("--over-seeds", help="The runs differ only in their seed: average over them.")
]

OPTIONS = {"documents": "profile", "reasoning": "reuse-reasoning"}
"""The library's arguments that have another name on the command line."""
ALL_METHODS = "methods=[rag, sft, sft-reasoning, rest-em, rest-pg]"
PROFILE_SIZES = {"0": range(1), "1": range(1, 2), "2 to 4": range(2, 5), "5 or more": range(5, sys.maxsize)}


def main() -> None:
    """Run the command line; an error that the user can mend is one line with exit code 2."""
    if "" not in sys.path:
        sys.path.insert(0, "")  # a recipe may name a module in the working folder
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(prog_name="penname")
    except ArgumentError as error:
        option = OPTIONS.get(error.argument, error.argument).replace("_", "-")
        print(f"penname: --{option}: {error.problem}", file=sys.stderr)
        sys.exit(2)
    except UserError as error:
        print(f"penname: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"penname: {str(error.filename)[:200]}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == 130:  # Ctrl-C
            print("penname: stopped; the same command resumes from here", file=sys.stderr)
        raise


def _stop(number: int, frame: object) -> None:
    """Stop as at Ctrl-C, so that nothing that was started goes on alone."""
    raise KeyboardInterrupt


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"penname {__version__}")
        raise typer.Exit


@app.callback()
def _before_any_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print penname's version.")
    ] = False,
) -> None:
    """Take the options before a command."""


@app.command(rich_help_panel=START, epilog=examples("penname quickstart", "penname quickstart --all"))
def quickstart(
    run: RunOption = None,
    override: SetOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="All five methods, or those that an existing run lacks; takes longer.")
    ] = False,
) -> None:
    """Train and compare methods on the bundled model and texts, and write one prompt as three authors would."""
    train("quickstart", run=run, override=[*(override or []), *([ALL_METHODS] if every else [])])


@app.command(
    rich_help_panel=TRAIN,
    epilog=examples(
        "penname train paper --dry-run", "penname train quickstart --set expectation.iterations=2 --run runs/two"
    ),
)
def train(
    recipe: RecipeArgument,
    run: RunOption = None,
    override: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be computed, with memory and disk, and stop.")
    ] = False,
    donor: DonorOption = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="With --dry-run: tokens that a worker writes in a second, to count hours."),
    ] = None,
) -> None:
    """Train and compare all methods of a recipe; the same command again resumes."""
    from penname import api
    from penname.experiments.plan import make_plan
    from penname.recipe_files import load_recipe

    loaded = load_recipe(recipe, override or [])
    folder = run or Path("runs") / Path(recipe).stem
    if rate is not None and not dry_run:
        raise ArgumentError("rate", "is for a dry run")
    if dry_run:
        show_plan(make_plan(loaded), folder, rate)
        return
    with _progress(folder) as progress:
        trained = api.train(loaded, folder, donor=donor, progress=progress)
    show(trained.compare())
    if loaded.three_authors is None:
        show_example(folder)
    else:
        show_three_authors(folder)
    console.print(f"run: {folder}", markup=False)


@app.command(rich_help_panel=TRAIN, epilog=examples("penname join runs/paper-cluster"))
def join(run: RunArgument) -> None:
    """Take part in the trainings of a run that was started on another machine, with training.nodes."""
    from penname.training.processes import join_trainings

    join_trainings(run, partial(console.print, soft_wrap=True))


@app.command(rich_help_panel=TRAIN, epilog=examples("penname sweep quickstart --over expectation.iterations=1,2"))
def sweep(
    recipe: RecipeArgument,
    over: Annotated[
        list[str], typer.Option(help="A setting and its values, as in expectation.samples=8,32; repeatable.")
    ],
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Folder of the runs, runs/RECIPE-sweep by default; started again, it resumes."),
    ] = None,
    override: SetOption = None,
    donor: DonorOption = None,
    method: MethodsOption = None,
    metric: MetricOption = "reward",
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate a recipe at several values of a setting; stages with equal settings are computed once."""
    from penname.evaluation.formats import to_files
    from penname.evaluation.table import averages, summary
    from penname.experiments.reuse import describe_savings, reused_stages
    from penname.experiments.run_recipe import chosen_methods
    from penname.experiments.sweep import make_points, run_sweep
    from penname.extras import require
    from penname.reporting import figures
    from penname.reporting.write import write_files
    from penname.runs.folder import disk_errors

    require("plots", "the figure of a sweep")
    folder = run or Path("runs") / f"{Path(recipe).stem}-sweep"
    points = make_points(recipe, over, override or [], folder)
    for point in points:
        _check_metric(metric, point.recipe)
        chosen_methods(method, point.recipe)  # raises an error for an unknown method
    results = run_sweep(points, lambda run_folder: _progress(run_folder, as_json=as_json), donor, method)
    by_point = {point.name: own for point, own in zip(points, results, strict=True)}
    methods = list(dict.fromkeys(m for own in results for m in own))
    by_method = {m: summary({name: own[m] for name, own in by_point.items() if m in own}) for m in methods}
    means = [averages(own) for own in results]
    curves = {m: [of_point.get(m, {}).get(metric) for of_point in means] for m in methods}
    settings = ",".join(setting.partition("=")[0] for setting in over)
    label, ticks = "point", [*by_point]
    if len(over) == 1:
        label, ticks = settings, [name.partition("=")[2] for name in by_point]
    path = folder / f"sweep-{settings}-{metric}.png"
    figure = figures.curves(curves, ticks, (label, metric))
    with disk_errors(folder):
        for ending in (".png", ".svg"):
            figures.save(figure, path.with_name(path.stem + ending))
        for m, of_method in by_method.items():
            write_files(folder / "tables" / m, to_files(of_method))
    if as_json:
        print(json.dumps({"points": {name: summary(own) for name, own in by_point.items()}, "methods": by_method}))
        return
    saved = describe_savings(record for point in points for record in reused_stages(point.folder))
    show_curves(curves, ticks, f"{metric}, {label}:")
    tests = f"tables with tests of the points: {folder / 'tables'}"
    shared = f"shared by the points, not computed again: {saved}"
    console.print(f"curves: {path}\n{tests}\n{shared}", markup=False, highlight=False)


@app.command(rich_help_panel=TRAIN, epilog=examples("penname evaluate runs/quickstart --split val --method sft"))
def evaluate(
    run: RunArgument,
    split: SplitOption = "test",
    method: MethodsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run's methods on a split; a method that is not trained yet is trained first."""
    from penname.experiments.comparison import compare_runs
    from penname.experiments.run_recipe import chosen_methods, chosen_split, load_run_recipe
    from penname.experiments.train import evaluate_methods, open_run

    recipe = load_run_recipe(run)
    on_split = chosen_split(split, recipe)
    methods = chosen_methods(method, recipe)
    with _progress(run, as_json=as_json) as progress, open_run(recipe, run, progress) as session:
        evaluate_methods(session, methods, on_split)
    show(compare_runs([run], on_split), as_json=as_json)


@app.command(
    rich_help_panel=TRAIN,
    epilog=examples("penname quickstart --all", "penname reasoning runs/quickstart --method rest-pg"),
)
def reasoning(
    run: RunArgument,
    method: Annotated[
        str | None,
        typer.Option(help="A method of the run that reasons; its last one by default.", autocompletion=complete_method),
    ] = None,
    split: SplitOption = "test",
    as_json: JsonOption = False,
) -> None:
    """Test whether a method uses its reasoning: compare responses after its own, another user's, and none."""
    from penname.evaluation.table import summary
    from penname.experiments.comparison import Comparison
    from penname.experiments.reasoning_use import reasoning_use
    from penname.experiments.results import scored
    from penname.experiments.run_recipe import chosen_methods, chosen_split, load_run_recipe
    from penname.experiments.train import open_run

    recipe = load_run_recipe(run)
    on_split = chosen_split(split, recipe)
    named = [method] if method else [name for name, row in recipe.method_rows.items() if row.reasoning][-1:]
    if not named:
        raise UserError(f"{run}: found no method that reasons, expected sft-reasoning or rest-pg")
    (chosen,) = chosen_methods(named, recipe)
    with _progress(run, as_json=as_json) as progress, open_run(recipe, run, progress) as session:
        found = reasoning_use(session, chosen, on_split)
    show(Comparison(summary(scored(found), None), {}, []), as_json=as_json)


@app.command(
    rich_help_panel=TRAIN,
    epilog=examples("penname compare runs/quickstart", "penname compare runs/seed0 runs/seed1 --over-seeds --holm"),
)
def compare(
    runs: RunsArgument,
    split: RecipeSplitOption = None,
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    holm: HolmOption = False,
    over_seeds: OverSeedsOption = False,
    by_history: Annotated[
        bool,
        typer.Option(
            "--by-history", help="A table for each group of users with 0, 1, 2 to 4, and 5 or more documents."
        ),
    ] = False,
) -> None:
    """Compare the methods of one or more runs, with paired significance tests."""
    from penname.experiments.comparison import compare_runs

    if not by_history:
        show(compare_runs(runs, split, over_seeds=over_seeds, holm=holm), as_json=as_json, as_markdown=as_markdown)
        return
    found = {
        name: compare_runs(runs, split, own, over_seeds=over_seeds, holm=holm) for name, own in PROFILE_SIZES.items()
    }
    show_notes(next(iter(found.values())).notes)
    if as_json:
        print(json.dumps({name: compared.summary for name, compared in found.items()}))
        return
    for name, compared in found.items():
        users = max(entry["n"] for entry in compared.summary["methods"].values())
        print(f"\nusers with {name} documents of their own: {users}")
        if users:
            show_table(compared, as_markdown=as_markdown)


@app.command(rich_help_panel=TRAIN, epilog=examples("penname report runs/quickstart"))
def report(
    runs: RunsArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; report in the first run's folder by default.")
    ] = None,
    split: RecipeSplitOption = None,
    holm: HolmOption = False,
    over_seeds: OverSeedsOption = False,
) -> None:
    """Write a page of the results: tables, figures, and all methods' texts side by side."""
    from penname.reporting.write import write_report

    page = write_report(runs, out, split, over_seeds=over_seeds, holm=holm)
    console.print(f"report: {page}", markup=False, highlight=False)


@app.command(rich_help_panel=TRAIN, epilog=examples("penname cold-start runs/quickstart --documents 0,1,4"))
def cold_start(
    run: RunArgument,
    documents: Annotated[
        str, typer.Option(help="Numbers of documents that each user keeps, separated by commas.")
    ] = "0,1,2,4",
    method: MethodsOption = None,
    metric: MetricOption = "reward",
    as_json: JsonOption = False,
) -> None:
    """Evaluate methods when users with many documents keep none, some or all of them."""
    from penname.evaluation.table import summary
    from penname.experiments.run_recipe import chosen_methods, load_run_recipe
    from penname.experiments.train import cold_start as simulate
    from penname.experiments.train import open_run
    from penname.extras import require
    from penname.reporting import figures
    from penname.session.examples import COLD_START_DOCUMENTS

    require("plots", "the figure of scores by documents")
    counts = [int(part) for part in documents.split(",") if part.strip().isdecimal()]
    numbers = [count for count in counts if count < COLD_START_DOCUMENTS]
    if len(numbers) != len(documents.split(",")):
        raise UserError(
            f"--documents: found {documents!r}, expected numbers under {COLD_START_DOCUMENTS}, as in 0,1,2,4"
        )
    recipe = load_run_recipe(run)
    _check_metric(metric, recipe)
    methods = chosen_methods(method, recipe)
    with _progress(run, as_json=as_json) as progress, open_run(recipe, run, progress) as session:
        found = simulate(session, methods, sorted(set(numbers)), recipe.evaluation.split)
    reports = {left: summary(results) for left, results in found}
    curves: dict[str, list[float | None]] = {
        row.name: [report["methods"][row.name][metric] for report in reports.values()] for row in methods
    }
    examples = max(entry["n"] for entry in reports["all"]["methods"].values())
    path = run / f"cold-start-{metric}.png"
    labels = (f"documents known of the user, {examples} examples", metric)
    figures.save(figures.curves(curves, list(reports), labels), path)
    if as_json:
        print(json.dumps(reports))
        return
    show_curves(curves, list(reports), f"{metric}, documents known:")
    console.print(f"curves: {path}", markup=False, highlight=False)


@app.command(
    rich_help_panel=WRITE,
    epilog=examples(
        'penname generate --model bundled --prompt "Write about the sea."',
        'penname generate --model runs/quickstart --profile my_texts/ \\\n  --prompt "Write about rain."',
    ),
)
def generate(
    model: Annotated[str, typer.Option(help="A run's folder, a model's folder, a hub id, or 'bundled'.")],
    prompt: Annotated[str, typer.Option(help="What to write.")],
    profile: Annotated[
        Path | None,
        typer.Option(
            help="The user's texts: a JSONL file, a document (.txt, .md, .docx, .pdf, .html, .rtf, .epub), or a folder "
            "of documents; a new user has none."
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="The run's method that writes.", autocompletion=complete_method)
    ] = None,
    show_reasoning: Annotated[bool, typer.Option("--show-reasoning", help="Print the reasoning too.")] = False,
    reuse_reasoning: Annotated[
        Path | None, typer.Option(help="Save the reasoning to this file, and reuse it from there the next time.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="The query for retrieving the user's texts; the prompt by default.")
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="For the method pat: the id of the item that the text is about.")
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(min=1, help="Write this many texts and show the one that the recipe's evaluation.choose prefers."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write for a user in the manner of the texts in a profile; the user need not have been in training."""
    from penname.generate.writer import Writer, read_documents
    from penname.runs.folder import write_text

    notes: list[str] = []
    documents = read_documents(profile or (), notes)  # before a model is loaded, which takes longer
    with Writer(model, method) as writer:
        kept = None
        if reuse_reasoning is not None:
            writer.check_reasoning()
            kept = _kept_reasoning(reuse_reasoning)
        options = {"seed": seed, "candidates": candidates, "query": query, "item": item}
        written = writer.write(prompt, documents, reasoning=kept, **options)  # type: ignore[arg-type]
    show_notes([*writer.notes, *notes, *written.notes])
    if reuse_reasoning is not None and kept is None and written.well_formed and written.reasoning:
        write_text(reuse_reasoning, written.reasoning + "\n")
    if as_json:
        print(json.dumps({"response": written.response, "reasoning": written.reasoning}))
        return
    if show_reasoning and written.reasoning:
        console.print(f"reasoning:\n{written.reasoning}\n\nresponse:", markup=False, highlight=False)
    console.print(written.response, markup=False, highlight=False)


@app.command(rich_help_panel=MACHINE, epilog=examples("penname doctor", "penname doctor --json"))
def doctor(as_json: JsonOption = False) -> None:
    """Print what this machine can do, what is missing, and the command that installs it."""
    from penname.cli.doctor import findings
    from penname.experiments.machine import describe_environment, describe_machine

    environment, machine = describe_environment(), describe_machine()
    if as_json:
        print(json.dumps(environment | asdict(machine)))
        return
    for line in findings(environment, machine):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _progress(run: Path, *, as_json: bool = False) -> ConsoleProgress:
    """Progress in the run's log and on the console, which is stderr if stdout has JSON."""
    from penname.runs.progress import ConsoleProgress

    return ConsoleProgress(Console(stderr=True) if as_json else console, run / "log.txt")


def _kept_reasoning(path: Path) -> str | None:
    """The reasoning saved in a file; None if the file does not exist yet."""
    try:
        kept = path.read_text(encoding="utf-8").strip() if path.exists() else None
    except UnicodeDecodeError:
        raise DataError(path, found="bytes that are not UTF-8", expected="a saved reasoning") from None
    if kept == "":
        raise DataError(path, found="nothing", expected="a saved reasoning, or no file")
    return kept


def _check_metric(metric: str, recipe: Recipe) -> None:
    from penname.extensions import short_name

    names = map(short_name, [*recipe.reward.mixture, *recipe.evaluation.metrics])
    known = list(dict.fromkeys(["reward", *names]))
    if metric not in known:
        raise UserError(f"--metric: found {metric!r}, expected one of {', '.join(known)}")


if __name__ == "__main__":
    main()
