"""Errors in Ollama's shape, with its status codes; and bodies that are none."""

from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from puna.errors import BadRequest, ErrorReport, Kind

STATUS: dict[Kind, int] = {
    "bad_request": 400,
    "not_found": 404,
    "forbidden": 403,
    "too_large": 413,
    "busy": 503,
    "no_room": 500,
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


async def read(request: Request, kind: type[Body]) -> Body:
    """A request's body. Many clients post JSON without saying so: the type is not asked for."""
    if not (body := await request.body()):
        raise BadRequest("The request has no body; it must be a JSON object.")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise BadRequest(_first_fault(error)) from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where or 'The body'}: {fault['msg']}."
