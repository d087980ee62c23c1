"""Errors in Ollama's shape, with its status codes."""

import msgspec

from puna.errors import ErrorReport, Kind

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


def error_status(report: ErrorReport) -> int:
    """The status code for an error."""
    return STATUS[report.kind]


def error_body(report: ErrorReport) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"error": str(report)})
