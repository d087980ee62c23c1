"""Which engine runs, which others there are, and how they fared in their tests."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna.builds.choosing import Choice
from puna.builds.shelf import Shelf
from puna.builds.telling import engines
from puna.dialects.scopes import scope


def routes(shelf: Shelf, choice: Choice) -> list[Route]:
    """Where one asks."""

    @scope("manage")
    async def listed(_: Request) -> Response:
        told = await asyncio.to_thread(engines, shelf, choice)
        return Response(msgspec.json.encode(told), media_type="application/json")

    return [Route("/puna/v1/engines", listed)]
