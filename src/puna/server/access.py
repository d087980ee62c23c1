"""The outermost layer: gives each request its id, logs it when it ends, and catches bugs."""

import time
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from puna.dialects.request_id import begin_request
from puna.server.refusing import refuse

_log = structlog.get_logger("puna.access")
# What nginx logs of a client that has not waited for its answer.
CLIENT_LEFT = 499


class Access:
    """An ASGI layer. Most tokens of an answer that has begun go past it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        id = begin_request(Headers(scope=scope).get("x-request-id", ""))
        bind_contextvars(request=id)
        header = (b"x-request-id", id.encode())
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:  # noqa: BLE001 - whatever it is, it ends this request and no other.
            _log.exception("a bug has ended this request")
            # An answer that has begun is cut off instead, which its client can tell from its end.
            if not status:
                await refuse(
                    sending,
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    f"Something went wrong inside Puna. Its log says what, under request {id}.",
                )
        finally:
            _log.info(
                "request",
                method=scope["method"],
                # As it came, so that nothing in it can act on a terminal; queries stay private.
                path=scope["raw_path"].decode("latin-1"),
                status=status or CLIENT_LEFT,
                seconds=round(time.perf_counter() - began, 6),
                client=(scope["client"] or ("",))[0],
            )
