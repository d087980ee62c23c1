"""From jobs to rows of tokens for embedding: tokenised safely, marked, and fitted to a length."""

import re
from collections.abc import Sequence

from puna.engine.vocabulary import Vocabulary
from puna.errors import BadRequest, PromptTooLong
from puna.jobs import EmbedJob, RerankJob
from puna.text.guard import Guard
from puna.text.tokens import Specials

Row = list[int]

_PLACES = re.compile(r"(\{query\}|\{document\})")


class Inputs:
    """Makes the inputs for one model. `limit` is how many tokens one may have at most."""

    def __init__(
        self, vocabulary: Vocabulary, specials: Specials, rerank_template: str, limit: int
    ) -> None:
        self._vocabulary = vocabulary
        self._specials = specials
        self._template = rerank_template
        self._limit = limit

    def rows(self, job: EmbedJob | RerankJob) -> list[Row]:
        """The job's inputs, or its query with each of its documents, in their order."""
        limit = self._limit
        match job:
            case EmbedJob():
                limit = min(limit, job.context or limit)
                rows = [self._input(given, limit, truncate=job.truncate) for given in job.inputs]
            case RerankJob():
                pair = self._templated if self._template else self._joined
                rows = [pair(job.query, text, truncate=job.truncate) for text in job.documents]
        for number, row in enumerate(rows):
            if not row:
                raise BadRequest(f"Input {number} is empty; the model needs a token at least.")
            if len(row) > limit:
                raise PromptTooLong(len(row), limit)
        return rows

    def _input(self, given: str | tuple[int, ...], limit: int, *, truncate: bool) -> Row:
        if not isinstance(given, str):
            return self._cut(self._known(given), limit, truncate=truncate)
        before, after = self._vocabulary.marks
        marks = len(before) + len(after)
        tokens = self._specials.plain(given)
        return [*before, *self._cut(tokens, limit, marks, truncate=truncate), *after]

    def _known(self, tokens: Sequence[int]) -> Row:
        size = self._vocabulary.size
        if wrong := [token for token in tokens if not 0 <= token < size]:
            raise BadRequest(f"There is no token {wrong[0]}; the model's are 0 to {size - 1}.")
        return list(tokens)

    def _joined(self, query: str, document: str, *, truncate: bool) -> Row:
        """BOS, query, EOS, separator, document, EOS: each where the vocabulary wants it."""
        vocabulary = self._vocabulary
        end = vocabulary.eos if vocabulary.eos is not None else vocabulary.separator
        ends = [end] if vocabulary.adds_eos and end is not None else []
        begins = [vocabulary.bos] if vocabulary.adds_bos and vocabulary.bos is not None else []
        between = list(ends)
        if vocabulary.adds_separator and vocabulary.separator is not None:
            between.append(vocabulary.separator)
        asked, answer = self._specials.plain(query), self._specials.plain(document)
        room = max(0, self._limit - len(begins) - len(between) - len(ends))
        if len(asked) + len(answer) > room:
            if not truncate:
                raise PromptTooLong(self._limit - room + len(asked) + len(answer), self._limit)
            # The document gives way first; the query, while it takes more than half of the room.
            asked = asked[: max(room // 2, room - len(answer))]
            answer = answer[: room - len(asked)]
        return [*begins, *asked, *between, *answer, *ends]

    def _templated(self, query: str, document: str, *, truncate: bool) -> Row:
        row = self._rendered(query, document)
        if len(row) <= self._limit:
            return row
        shortest = self._rendered(query, "")
        if not truncate or len(shortest) > self._limit:
            raise PromptTooLong(len(row), self._limit)
        # As much of the document as fits, found by halving.
        fitting, least, most = shortest, 0, len(document)
        while most - least > 1:
            middle = (least + most) // 2
            row = self._rendered(query, document[:middle])
            if len(row) <= self._limit:
                fitting, least = row, middle
            else:
                most = middle
        return fitting

    def _rendered(self, query: str, document: str) -> Row:
        guard = Guard(self._specials)
        texts = {"{query}": guard.text(query), "{document}": guard.text(document)}
        # Both places are found before either is filled: a query may say {document}.
        parts = _PLACES.split(self._template)
        return guard.tokens("".join(texts.get(part, part) for part in parts))

    def _cut(self, tokens: Row, limit: int, marks: int = 0, *, truncate: bool) -> Row:
        if len(tokens) + marks > limit and not truncate:
            raise PromptTooLong(len(tokens) + marks, limit)
        return tokens[: max(0, limit - marks)]
