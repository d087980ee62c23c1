"""Errors in Ollama's shape, with its status codes; and bodies that are none."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from puna.dialects.answer import retry_headers
from puna.errors import BadRequest, ErrorReport, Kind, PunaError

STATUS: dict[Kind, int] = {
    "bad_request": 400,
    "not_found": 404,
    "forbidden": 403,
    "too_large": 413,
    "busy": 503,
    "timeout": 504,
    "unsupported": 400,
    "failed": 500,
}

Body = TypeVar("Body", bound=BaseModel)


def error_status(report: ErrorReport) -> int:
    """The status code for an error."""
    return STATUS[report.kind]


def error_body(report: ErrorReport) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"error": str(report)})


class OllamaRoute(APIRoute):
    """A route whose errors have Ollama's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors caught around it."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except PunaError as error:
                return _refusal(error.report())

        return guarded


async def read(request: Request, kind: type[Body]) -> Body:
    """A request's body. Many clients post JSON without saying so: the type is not asked for."""
    if not (body := await request.body()):
        raise BadRequest("The request has no body; it must be a JSON object.")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise BadRequest(_first_fault(error)) from None


def _refusal(report: ErrorReport) -> Response:
    return Response(
        error_body(report),
        error_status(report),
        retry_headers(report),
        media_type="application/json",
    )


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where or 'The body'}: {fault['msg']}."
