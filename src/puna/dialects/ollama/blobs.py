"""The routes for blobs: whether one is there, and its upload."""

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from puna.dialects.scopes import scope
from puna.models.library import Library

# So much is gathered before the disk is bothered, off the loop.
PORTION = 1 << 20


@dataclass(frozen=True)
class Blobs:
    """The blobs that models are made of, for whoever brings them."""

    library: Library

    def mount(self, routes: APIRouter) -> None:
        """Add the routes."""
        routes.add_api_route("/api/blobs/{digest}", self.has, methods=["HEAD"])
        routes.add_api_route("/api/blobs/{digest}", self.upload, methods=["POST"])

    @scope("manage")
    async def has(self, digest: str) -> Response:
        """Whether the blob is there."""
        return Response(status_code=200 if self.library.store.blobs.has(digest) else 404)

    @scope("manage")
    async def upload(self, digest: str, request: Request) -> Response:
        """Take a blob, if it is what its digest says."""
        blobs = self.library.store.blobs
        if blobs.has(digest):
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
