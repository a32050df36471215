"""Builds the documentation as a site: `python -m docs.build_site`, or `make docs`.

The pages of the repository and those that are made from code are staged in build/docs, where Zensical reads them as
mkdocs.yml says. The site is in build/site, and in the package, for `penname serve`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from docs.reference import pages

ROOT = Path(__file__).parents[1]
STAGED, BUILT = ROOT / "build" / "docs", ROOT / "build" / "site"
PACKAGED = ROOT / "src" / "penname" / "serve" / "site"
CONFIGURATION = ROOT / "mkdocs.yml"

ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "speed.md",
}
"""Pages outside docs, and where they are in the site."""

FILES = (".css", ".gif", ".png", ".svg")
"""What is copied as it is."""

FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
LIST_AFTER_TEXT = re.compile(r"^(?![-*] |\d+\. |\s|$)(.+)\n(?=[-*] |\d+\. )", re.MULTILINE)
FAULT = re.compile(r"mkdocstrings|griffe|Traceback|^\s*ERROR|could not be (?:found|collected)", re.MULTILINE)


class SiteError(Exception):
    """The site cannot be built as it should be."""


def main() -> None:
    """Build the site, and put it where the package has it."""
    try:
        build_site()
    except SiteError as error:
        sys.exit(f"docs: {error}")
    publish(BUILT, PACKAGED)
    print(f"docs: {BUILT.relative_to(ROOT)}, and in the package {PACKAGED.relative_to(ROOT)}")


def build_site() -> None:
    """Stage the pages and build them into build/site. Raises SiteError for whatever is wrong with them."""
    stage(STAGED)
    output = run_zensical()
    if fault := FAULT.search(output):
        raise SiteError(f"found {fault[0].strip()!r} in what was printed:\n{output}")
    add_licence(BUILT)
    (BUILT / "404.html").unlink(missing_ok=True)  # the server has its own answer, and no page knows where the site is


def stage(folder: Path) -> None:
    """Write all pages, and the files that they show, to a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    places = staged_pages()
    for source, place in places.items():
        write(folder / place, as_page((ROOT / source).read_text(encoding="utf-8"), source, places))
    for place, text in pages().items():
        write(folder / place, text)
    for source, place in shown_files().items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, folder / place)


def staged_pages() -> dict[str, str]:
    """The repository's pages, by their path in it, with their place in the site."""
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    return ELSEWHERE | {source: source.removeprefix("docs/") for source in sorted(own)}


def shown_files() -> dict[str, str]:
    """The pictures and the style sheet of the pages, by their path in the repository, with their place in the site."""
    found = [path.relative_to(ROOT) for name in ("docs", "benchmarks") for path in (ROOT / name).rglob("*")]
    return {path.as_posix(): path.as_posix().removeprefix("docs/") for path in sorted(found) if path.suffix in FILES}


def write(path: Path, text: str) -> None:
    """Write a text, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def as_page(text: str, source: str, places: dict[str, str]) -> str:
    """A page of the repository as the site has it: links lead within the site, and lists begin after an empty line.

    text: the page.
    source: its path in the repository.
    places: as `staged_pages` returns them.
    """
    parts = FENCED.split(text)
    for number in range(0, len(parts), 2):  # what is not fenced
        linked = LINK.sub(lambda link: relinked(link, source, places), parts[number])
        parts[number] = LIST_AFTER_TEXT.sub(r"\1\n\n", linked)
    return "".join(parts)


def relinked(link: re.Match[str], source: str, places: dict[str, str]) -> str:
    """A link as it is within the site. One to a file that is no page becomes its path as code.

    Raises SiteError for one that leads nowhere.
    """
    picture, words, target = link.groups()
    path, _, part = target.partition("#")
    if not path or re.match(r"https?:|mailto:", target):
        return link[0]
    found = os.path.normpath(os.path.join(os.path.dirname(source), path))
    if not (ROOT / found).exists():
        raise SiteError(f"{source}: found a link to {target}, expected a file of the repository")
    here = os.path.dirname(places[source])
    if found in places:
        return f"[{words}]({os.path.relpath(places[found], here or '.')}{'#' + part if part else ''})"
    if picture or found.endswith(FILES):
        return f"{picture}[{words}]({os.path.relpath(found.removeprefix('docs/'), here or '.')})"
    return f"`{found}`" if found.endswith(words.strip("`/")) else f"{words} (`{found}`)"


def run_zensical() -> str:
    """What Zensical prints while it builds. Raises SiteError where it fails."""
    shutil.rmtree(BUILT, ignore_errors=True)
    words = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", str(CONFIGURATION)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    output = done.stdout + done.stderr
    if done.returncode != 0:
        raise SiteError(output)
    return output


def add_licence(built: Path) -> None:
    """Put Zensical's licence beside its files, where those of what these contain are already."""
    (found,) = (path for path in metadata.files("zensical") or () if path.match("*.dist-info/licenses/LICENSE.md"))
    shutil.copyfile(str(found.locate()), built / "assets" / "LICENSE.md")


def publish(built: Path, packaged: Path) -> None:
    """Put the built site in the place of the one that the package has."""
    shutil.rmtree(packaged, ignore_errors=True)
    shutil.copytree(built, packaged)


if __name__ == "__main__":
    main()
