"""The prompt of each method to the shared generator; the prompts differ in the documents that they show."""

from __future__ import annotations

from collections.abc import Mapping

from penname.method_table import AgentName, Method
from penname.pat.contexts import Contexts
from penname.prompts.render import Prompt
from penname.prompts.templates import ANSWER_FORMATS, TemplateName, fill
from penname.session.examples import PreparedExample
from penname.session.session import Session, render_for

NOTHING = "(nothing known)"


def method_prompt(
    session: Session,
    method: Method,
    example: PreparedExample,
    contexts: Mapping[str, Contexts],
    summaries: Mapping[str, Mapping[AgentName, str]],
) -> Prompt:
    """The prompt of a method to the shared generator.

    session: the session of the run.
    method: a method without a generator of its own.
    example: the example to write for.
    contexts, summaries: by example id; empty for methods that show none.
    """
    if method.shows != "trajectories":
        return baseline_prompt(session, method, example, contexts.get(example.example_id))
    if method.summaries_of is None:
        return contexts_prompt(session, example, contexts[example.example_id])
    known = summaries[example.example_id]
    shown = contexts[example.example_id]
    documents = session.recipe.pat.documents and method.documents
    return response_prompt(session, example, shown, known.get("style"), known.get("topic"), documents=documents)


def baseline_prompt(session: Session, method: Method, example: PreparedExample, contexts: Contexts | None) -> Prompt:
    """The prompt of `zero-shot`, `rag`, `random`, `pgraphrag`, `pgraphrag-neighbours` or an extension.

    session: the session of the run.
    method: the method.
    example: the example to write for.
    contexts: the example's contexts; None for a method that shows no documents of other users.

    On PGraphRAG's data, `random` and the PGraphRAG methods use that benchmark's prompts (its Appendix A). On other data
    the recipe's prompt shows their documents.
    """
    if method.prompt is not None:
        return session.extension_prompt(method.prompt, example)
    if method.shows in ("none", "own"):
        return session.prompt(example, with_reasoning=False, with_context=method.shows == "own")
    assert contexts is not None
    lists: Mapping[str, tuple[str, ...]]
    if method.shows == "random":
        name, lists = "random", {"random": contexts.random}
    elif method.shows == "neighbours":
        name, lists = "neighbours", {"neighbours": contexts.neighbours}
    else:
        name, lists = "both", {"own": contexts.own, "neighbours": contexts.neighbours}
    if example.layout not in ANSWER_FORMATS:
        context = [text for texts in lists.values() for text in texts]
        return render_for(example, session.renderer, "no_reasoning_input", {"context": context}, input=example.input)
    answer = ANSWER_FORMATS[example.layout]
    return render_for(example, session.renderer, f"pgraphrag_{name}", lists, input=example.input, format=answer)  # type: ignore[arg-type]


def response_prompt(
    session: Session,
    example: PreparedExample,
    contexts: Contexts,
    style: str | None,
    topic: str | None,
    *,
    documents: bool,
) -> Prompt:
    """PaT's prompt to the generator: both summaries and the user's own documents. The templates are our reconstruction.

    session: the session of the run.
    example: the example to write for.
    contexts: the example's contexts.
    style, topic: the summaries; None to omit the trajectory with its documents. Summaries are truncated where the
        input leaves no room for them.
    documents: whether to show the trajectories' documents too.
    """
    lists = {"own": history_texts(contexts)}
    if documents:
        lists |= _trajectories(() if style is None else contexts.style, () if topic is None else contexts.topic)
    name: TemplateName = "pat_response_documents" if documents else "pat_response"
    summaries = {"style": style or NOTHING, "topic": topic or NOTHING}
    return render_for(example, session.renderer, name, lists, tuple(summaries), input=example.input, **summaries)


def contexts_prompt(session: Session, example: PreparedExample, contexts: Contexts) -> Prompt:
    """The prompt of PaT without reasoning, which shows the trajectories' documents in place of summaries."""
    lists = {"own": history_texts(contexts)} | _trajectories(contexts.style, contexts.topic)
    return render_for(example, session.renderer, "pat_response_contexts", lists, input=example.input)


def _trajectories(style: tuple[str, ...], topic: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {"alike": style or (NOTHING,), "on_topic": topic or (NOTHING,)}


def history_texts(contexts: Contexts) -> tuple[str, ...]:
    """The user's documents under a heading; empty for a user without history."""
    if not contexts.history:
        return ()
    first, *others = contexts.history
    return (fill("pat_own", text=first), *others)
