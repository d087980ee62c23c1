"""What a runner was asked about text and tokens, and has yet to answer."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

from puna.errors import PunaError, ReportedError, TimedOut
from puna.protocol import Detokenize, Tokenize, Tokens, ToRunner

ANSWER_SECONDS = 30.0


class Questions:
    """The open questions to one runner, each by its id."""

    def __init__(self, name: str, post: Callable[[ToRunner], None]) -> None:
        self._name = name
        self._post = post
        self._open: dict[str, asyncio.Future[Tokens]] = {}

    async def ask(self, question: Callable[[str], Tokenize | Detokenize]) -> Tokens:
        """Ask what is made of an id, and wait for the answer."""
        id = uuid4().hex
        self._open[id] = asyncio.get_running_loop().create_future()
        self._post(question(id))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._open[id]
        except TimeoutError:
            raise TimedOut(f"{self._name} gave no answer in {ANSWER_SECONDS:g} s.") from None
        finally:
            del self._open[id]
        if answer.error is not None:
            raise ReportedError(answer.error)
        return answer

    def answer(self, answer: Tokens) -> None:
        """An answer has come, maybe too late."""
        question = self._open.get(answer.id)
        if question is not None and not question.done():
            question.set_result(answer)

    def fail(self, error: PunaError) -> None:
        """No answer will come any more."""
        for question in self._open.values():
            if not question.done():
                question.set_exception(error)
