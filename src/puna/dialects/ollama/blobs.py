"""The routes for blobs: whether one is there, and its upload."""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from puna.dialects.scopes import scope
from puna.models.library import Library

# So much is gathered before the disk is bothered, off the loop.
PORTION = 1 << 20


@dataclass(frozen=True)
class Blobs:
    """The blobs that models are made of, for whoever brings them."""

    library: Library

    def routes(self) -> list[Route]:
        """Where they are asked for and brought."""
        return [
            Route("/api/blobs/{digest}", self.has, methods=["HEAD"]),
            Route("/api/blobs/{digest}", self.upload, methods=["POST"]),
        ]

    @scope("manage")
    async def has(self, request: Request) -> Response:
        """Whether the blob is there."""
        digest: str = request.path_params["digest"]
        there = await asyncio.to_thread(self.library.store.offers, digest)
        return Response(status_code=200 if there else 404)

    @scope("manage")
    async def upload(self, request: Request) -> Response:
        """Take a blob, if it is what its digest says."""
        digest: str = request.path_params["digest"]
        blobs = self.library.store.blobs
        if await asyncio.to_thread(self.library.store.offers, digest):
            return Response(status_code=200)
        with await asyncio.to_thread(blobs.upload, digest) as upload:
            portion = bytearray()
            try:
                async for chunk in request.stream():
                    portion += chunk
                    if len(portion) >= PORTION:
                        await asyncio.to_thread(upload.write, bytes(portion))
                        portion.clear()
            except ClientDisconnect:
                return Response(status_code=400)
            await asyncio.to_thread(upload.write, bytes(portion))
            await asyncio.to_thread(upload.commit)
        return Response(status_code=201)
