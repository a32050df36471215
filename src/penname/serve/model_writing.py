"""Writes with a method's own model: the prompt, the reasoning that is kept, and the text piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from anyio.to_thread import run_sync

from penname.data.records import Document
from penname.engines.base import GeneratedTokens, Sampling, TokenIds
from penname.errors import UserError
from penname.generate.by_model import Prepared, candidate_seeds
from penname.generate.request import TextRequest
from penname.prompts.completion import compose, without_phrases
from penname.retrieval.known_words import KnownWords
from penname.serve.backend import Added
from penname.serve.in_flight import tenant_user
from penname.serve.methods import ServedMethod
from penname.serve.store.records import UnknownUser
from penname.serve.streaming import Pieces, StreamedCompletion
from penname.serve.writing import Desk, Order, Piece, Writing


class ModelWriting(Writing):
    """Writes with a method that has a model of its own."""

    def __init__(self, desk: Desk, method: ServedMethod, order: Order) -> None:
        super().__init__(desk, method.name, order)
        self._large_profiles = desk.large_profiles
        self._model, self._writer, self._backend = method.model, method.writer, method.backend

    async def _begin(self) -> None:
        order = self.order
        self._candidates = order.candidates or self._writer.setup.evaluation.candidates
        completions = order.choices * self._candidates
        # What there is never room for is of no use to ask again.
        self._backend.check(0, completions, self._writer.sampling)
        if self._candidates > 1 and order.most_likely is not None:
            self.most_likely = None
            self.notes.append("logprobs: none are told of a text that is chosen from candidates")
        # Before anything is read or rendered: whoever cannot be answered soon is to know it at once.
        before = self._backend.in_progress + self._backend.in_preparation
        self._check_wait(self._backend.expected_wait(None, completions), before)
        # Each has a token at least; whoever has none left costs nothing further.
        await self._reserve(completions, completions * self._most_written(self._writer.sampling))
        whose = None if order.user is None else tenant_user(order.caller.tenant, order.user)
        place = self._backend.preparing(completions)
        self._prepared = await self._large_profiles.search(whose, self._documents_read, self._prepare, place)
        prepared = self._prepared
        self._backend.check(len(prepared.tokens), len(prepared.seeds), prepared.sampling)
        # Those that are still being prepared may come before it or not.
        expected = self._backend.expected_wait(len(prepared.tokens), len(prepared.seeds))
        self._check_wait(expected, self._backend.in_progress)
        most = self._most_tokens(prepared)
        await self._reserve(most - completions, most)
        self.prompt_tokens = len(prepared.tokens)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """See `Writing.pieces`."""
        if self._reasoning is not None:
            for choice in range(self.order.choices):
                yield Piece(choice, self._reasoning.strip(), "", [], [], None)
        async with aclosing(self._chosen() if self._candidates > 1 else self._written()) as pieces:
            async for piece in pieces:
                yield piece

    def decode(self, tokens: Sequence[int]) -> str:
        """See `Writing.decode`."""
        return self._writer.renderer.decode(tokens)

    def _documents_read(self) -> Sequence[Document]:
        self._read_profile()
        return self._profile.documents

    def _prepare(self, documents: Sequence[Document], known: KnownWords | None) -> Prepared:
        """Read the reasoning, retrieve, and render the prompt.

        known: see `ModelWriter.find`.
        """
        order, writer = self.order, self._writer
        self._has_large_profile = known is not None
        reasoning = order.reasoning
        if reasoning is None and order.user is not None and writer.setup.with_reasoning:
            with suppress(UnknownUser):
                kept = self._store.reasoning(order.caller.tenant, order.user, self._model)
                reasoning = kept.text if kept is not None else None
        self._reasoning = reasoning
        self._reasons = writer.setup.with_reasoning and reasoning is None
        self._answer_tokens = writer.setup.prompt.max_output_tokens if self._reasons else 0
        self._request = TextRequest(
            order.prompt,
            documents,
            order.query,
            order.item,
            self.seed,
            self._candidates,
            reasoning,
        )
        prepared = writer.prepare(self._request, known)
        self.shown = prepared.shown
        self._has_documents = bool(documents)
        self._profile = self._profile._replace(documents=[])  # they may take much memory
        if self._candidates == 1:  # nothing is compared with them
            self._request = replace(self._request, documents=())
        seeds = candidate_seeds(self.seed, order.choices * self._candidates)
        return replace(prepared, seeds=seeds, sampling=self._sampling(prepared.sampling))

    def _sampling(self, of_run: Sampling) -> Sampling:
        most = self._most_written(of_run)
        if self.order.most_tokens is not None and most < self.order.most_tokens:
            self.notes.append(f"max_tokens: found {self.order.most_tokens}, the model writes at most {most}")
        return replace(of_run, **{**self.order.sampling, "max_new_tokens": most})

    def _most_written(self, of_run: Sampling) -> int:
        """The most tokens of a completion."""
        asked = self.order.most_tokens
        return of_run.max_new_tokens if asked is None else min(asked, of_run.max_new_tokens)

    def _most_tokens(self, prepared: Prepared) -> int:
        """The most tokens of all prompts and completions."""
        prompt, written = len(prepared.tokens), prepared.sampling.max_new_tokens
        most = prompt + len(prepared.seeds) * written
        if not self._reasons:
            return most
        second = prompt + written + len(self._writer.renderer.prefix(compose("", "")))
        return most + self.order.choices * (second + self._most_behind(written))

    def _most_behind(self, written: int) -> int:
        """The most tokens of a text behind a reasoning that came to no end. written: the reasoning's."""
        asked = self.order.most_tokens
        return self._answer_tokens if asked is None else max(0, min(self._answer_tokens, asked - written))

    async def _written(self) -> AsyncGenerator[Piece]:
        """Pieces of the texts as the model writes them."""
        prepared = self._prepared
        texts = [self._streamed() for _ in prepared.seeds]
        unanswered = []
        updates = self._updates(prepared.tokens, texts, prepared.seeds, prepared.sampling, self.most_likely)
        async with aclosing(updates):
            async for update in updates:
                text = texts[update.index]
                piece = self._piece(text, update, update.index)
                if piece.finish_reason is not None:
                    await self._keep_reasoning(text, update.index)
                    if not text.in_response:
                        unanswered.append(update.index)
                        piece = piece._replace(finish_reason=None)
                yield piece
        for choice in unanswered:
            async with aclosing(self._answered(texts[choice], choice)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _chosen(self) -> AsyncGenerator[Piece]:
        """Each text in one piece, chosen from its candidates once all of them are written."""
        prepared, order = self._prepared, self.order
        texts = [self._streamed() for _ in prepared.seeds]
        whole = [Piece(0, "", "", [], [], None)] * len(texts)
        written: dict[int, GeneratedTokens] = {}
        updates = self._updates(prepared.tokens, texts, prepared.seeds, prepared.sampling, self.most_likely)
        async with aclosing(updates):
            async for update in updates:
                index = update.index
                piece = self._piece(texts[index], update, index // self._candidates)
                whole[index] = _joined(whole[index], piece)
                if piece.finish_reason is not None:
                    written[index] = GeneratedTokens(whole[index].tokens, piece.finish_reason)
        for choice in range(order.choices):
            candidates = range(choice * self._candidates, (choice + 1) * self._candidates)
            of_choice = [written[index] for index in candidates]
            best = candidates[await run_sync(self._writer.choose, self._request, of_choice)]
            await self._keep_reasoning(texts[best], choice)
            if texts[best].in_response:
                yield whole[best]
                continue
            yield whole[best]._replace(finish_reason=None)
            async with aclosing(self._answered(texts[best], choice)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _answered(self, reasoned: StreamedCompletion, choice: int) -> AsyncGenerator[Piece]:
        """The text behind a reasoning that ended without the phrase for it, which is put in its place."""
        order, prepared, renderer = self.order, self._prepared, self._writer.renderer
        room = self._most_behind(reasoned.tokens)
        prompt = prepared.tokens + renderer.prefix(compose(without_phrases(reasoned.reasoning), ""))
        sampling = replace(prepared.sampling, max_new_tokens=room)
        try:
            if room < 1:
                raise UserError("the request's tokens are spent")
            self._backend.check(len(prompt), 1, sampling)
        except UserError:
            self.notes.append("the reasoning took all tokens: there is no text")
            yield Piece(choice, "", "", [], [], "length")
            return
        self.notes.append("the reasoning came to no end by itself")
        self.prompt_tokens += len(prompt)
        text = StreamedCompletion(self._read(given=True), with_reasoning=False, stop=order.stop)
        seed = prepared.seeds[choice * self._candidates]
        updates = self._updates(prompt, [text], [seed], sampling, self.most_likely)
        async with aclosing(updates):
            async for update in updates:
                yield self._piece(text, update, choice)

    async def _updates(
        self,
        prompt: TokenIds,
        texts: Sequence[StreamedCompletion],
        seeds: Sequence[int],
        sampling: Sampling,
        most_likely: int | None,
    ) -> AsyncGenerator[Added]:
        """What the engine adds to completions, counted.

        texts: what whoever iterates makes of them; the engine does not know their stop strings.

        The other arguments are those of `Backend.write`.
        """

        def goes_on(index: int) -> bool:
            return not texts[index].stopped

        written = self._backend.write(prompt, seeds, sampling, most_likely, self.order.caller.tenant, goes_on)
        async with aclosing(written) as updates:
            async for update in updates:
                if update.tokens and not self.completion_tokens:
                    self._note_first_token()
                self.completion_tokens += len(update.tokens)
                yield update

    def _piece(self, text: StreamedCompletion, update: Added, choice: int) -> Piece:
        """What an update adds to a text."""
        added, reason = text.add(update.tokens, update.log_probs), update.finish_reason
        self.reasoning_tokens += 0 if text.in_response else len(update.tokens)
        if text.stopped:
            reason = "stop"
        elif reason is not None:
            added = _sum(added, text.end())
        return Piece(choice, *added, *text.told(), reason)

    def _streamed(self) -> StreamedCompletion:
        """A completion before its first token."""
        read = self._read(given=self._reasoning is not None)
        return StreamedCompletion(read, with_reasoning=self._reasons, stop=self.order.stop)

    def _read(self, *, given: bool) -> Callable[[Sequence[int]], str]:
        """How token ids become text. given: whether the model continues a reasoning that it was given."""
        return self._writer.renderer.growing_completion(continued=given)

    async def _keep_reasoning(self, text: StreamedCompletion, choice: int) -> None:
        """Keep what the model wrote about a user it had no reasoning of, for later texts."""
        order = self.order
        if choice or not text.in_response or not self._reasons or order.user is None or not self._has_documents:
            return
        keep = (order.caller.tenant, order.user, self._model, text.reasoning, self._profile.version)
        with suppress(UserError):  # the user was forgotten meanwhile
            await run_sync(self._store.keep_reasoning, *keep)


def _joined(piece: Piece, further: Piece) -> Piece:
    """Two pieces of one text as one."""
    return Piece(
        further.choice,
        piece.reasoning + further.reasoning,
        piece.text + further.text,
        [*piece.tokens, *further.tokens],
        [],
        further.finish_reason,
    )


def _sum(first: Pieces, second: Pieces) -> Pieces:
    """Two pieces as one."""
    return Pieces(first.reasoning + second.reasoning, first.response + second.response)
