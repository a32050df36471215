"""The prompt templates, each a text file in `templates/`, and how they are filled in.

| name | source |
|---|---|
| figure6_judge | REST-PG, Figure 6: the LLM judge |
| figure7_reasoning | REST-PG, Figure 7: the teacher that writes the reasoning |
| figure8_input, figure8_output | REST-PG, Figure 8: input and output of the models that reason |
| no_reasoning_input | our reconstruction: Figure 8's input without its two sentences about the summary |
| longlamp_* | LongLaMP's prompts for instruction-tuned models, one per task; `none` where there is no document |
| pgraphrag_* | PGraphRAG's prompts for Llama models (its Appendix A and scripts), by whose reviews are shown |
| pat_* | our reconstruction: PaT's agents in the first and later rounds (`refined`), its generator, the user's texts |

The paper prints no template for the models without reasoning; their output is the response alone (Figure 15).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, cast

from penname.data.records import LayoutName
from penname.errors import UserError

TemplateName = Literal[
    "figure6_judge",
    "figure7_reasoning",
    "figure8_input",
    "figure8_output",
    "no_reasoning_input",
    "longlamp_email",
    "longlamp_abstract",
    "longlamp_review",
    "longlamp_topic",
    "longlamp_none",
    "pgraphrag_both",
    "pgraphrag_own",
    "pgraphrag_neighbours",
    "pgraphrag_none",
    "pgraphrag_random",
    "pat_style",
    "pat_style_refined",
    "pat_topic",
    "pat_topic_refined",
    "pat_own",
    "pat_response",
    "pat_response_contexts",
    "pat_response_documents",
]
DOCUMENT_SEPARATOR = " | "
"""Separates the documents of a context (REST-PG, Figure 12); they are raw text, without titles."""


@cache
def template(name: TemplateName) -> str:
    """The text of a template, without the final line break of its file."""
    path = files("penname.prompts") / "templates" / f"{name}.txt"
    return path.read_text(encoding="utf-8").removesuffix("\n")


def fill(name: TemplateName, **values: str) -> str:
    """The template with each `{field}` replaced by its value; braces inside values are not fields.

    Raises KeyError for a missing value.
    """
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template(name))


def generator_template(*, with_reasoning: bool) -> TemplateName:
    """The name of the template for the generator's prompt."""
    return "figure8_input" if with_reasoning else "no_reasoning_input"


def separator(name: TemplateName) -> str:
    """The separator of a template's documents."""
    if name.startswith("pat"):
        return "\n- "
    if name.startswith("pgraphrag"):
        return "\n"
    return ", and " if name.startswith("longlamp") else DOCUMENT_SEPARATOR


def benchmark_template(layout: LayoutName, documents: str | None) -> TemplateName:
    """The name of the benchmark's own template for data of this layout.

    documents: whose documents are shown, `own`, `neighbours` or `both`; None where none are.

    Raises UserError for data that belongs to no benchmark.
    """
    if layout == "plain":
        expected = "a benchmark's data (format longlamp or pgraphrag)"
        raise UserError(f"prompt.style benchmark: found data of no benchmark, expected {expected}")
    if layout.startswith("pgraphrag"):
        return cast(TemplateName, f"pgraphrag_{documents or 'none'}")
    return cast(TemplateName, f"longlamp_{layout if documents else 'none'}")


ANSWER_FORMATS: Mapping[LayoutName, str] = {
    "pgraphrag_long": "Generate the review text using the format: 'Review text:'.",
    "pgraphrag_short": "Generate the review title in 10 words or less using the format: 'Review title:'.",
    "pgraphrag_rating": "Generate the integer review rating using the format: 'Rating:'.",
}
"""How PGraphRAG's prompts specify the form of the answer, by task."""


@cache
def template_hash(name: TemplateName) -> str:
    """A hash of the template's exact text, stored with every checkpoint that was trained on its prompts."""
    return hashlib.sha256(template(name).encode()).hexdigest()[:16]
