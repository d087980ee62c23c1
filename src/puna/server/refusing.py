"""Answers of the server itself, which no dialect has made: a sentence on what was wrong."""

from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from puna.dialects.answer import retry_headers
from puna.dialects.ollama.errors import error_body, error_status
from puna.errors import PunaError


def refusal(error: PunaError) -> Response:
    """An error of Puna's as a response."""
    report = error.report()
    body, status = error_body(report), error_status(report)
    return Response(body, status, retry_headers(report), "application/json")


async def refuse(send: Send, status: HTTPStatus, message: str) -> None:
    """Answer with an error. The connection ends with it, as what else was sent is not read."""
    body = msgspec.json.encode({"error": message})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def unrouted(request: Request, status: int) -> str:
    """Why no route takes a request."""
    asked = f"{request.method} {request.url.path[:200]}"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{asked}: this path takes another method."
    if status == HTTPStatus.NOT_FOUND:
        return f"{asked}: there is nothing here."
    return f"{asked}: {HTTPStatus(status).phrase}."
