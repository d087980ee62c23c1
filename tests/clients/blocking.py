"""The asynchronous client of Ollama behind the face of the other, so that one test asks both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import ollama


class Blocking:
    """Each call runs to its end; a stream becomes a list."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            return asyncio.run(self._call(name, given, named))

        return call

    async def _call(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        # A client belongs to the loop that it was first used in.
        answer = await getattr(ollama.AsyncClient(self._address), name)(*given, **named)
        if isinstance(answer, AsyncIterator):
            return [part async for part in answer]
        return answer
