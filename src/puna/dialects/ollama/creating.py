"""How a model is created: what is asked for, and what is told on the way."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field
from starlette.concurrency import iterate_in_threadpool

from puna.dialects.ollama.errors import error_body, error_status
from puna.dialects.ollama.messages import Object, Text
from puna.errors import BadRequest, ErrorReport
from puna.models.creation import create
from puna.models.library import Library
from puna.models.quantizing import Progress, Quantizer
from puna.models.requests import CreateRequest

Files = Annotated[dict[str, str], BeforeValidator(lambda given: given or {})]


class CreateBody(BaseModel):
    """The body of `POST /api/create`."""

    model: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("model", "name"))]
    from_: Annotated[Text, Field(validation_alias="from")] = ""
    files: Files = {}
    adapters: Files = {}
    template: Text = ""
    license: str | list[str] | None = None
    system: Text = ""
    parameters: Object = {}
    messages: list[dict[str, Any]] | None = None
    renderer: Text = ""
    parser: Text = ""
    requires: Text = ""
    quantize: Annotated[Text, Field(validation_alias=AliasChoices("quantize", "quantization"))] = ""
    imatrix: Text = ""
    stream: bool | None = None

    def request(self) -> CreateRequest:
        """The same, as models are created from it."""
        asked = self.model_dump(exclude={"stream", "from_"}, exclude_none=True)
        try:
            return msgspec.convert(asked | {"from": self.from_}, CreateRequest)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{error}.") from None


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of what is told; where something takes long, with how much of it is done."""

    status: str
    total: int = 0
    completed: int = 0


class StreamedStatus:
    """A line for each thing that is done."""

    media_type = "application/x-ndjson"

    def render(self, news: str | Progress) -> bytes:
        """The line."""
        if isinstance(news, Progress):
            status = Status(news.status, news.total, news.completed)
        else:
            status = Status(news)
        return msgspec.json.encode(status) + b"\n"

    def error(self, report: ErrorReport) -> bytes:
        """The error as a line."""
        return error_body(report) + b"\n"

    def status(self, report: ErrorReport) -> int:
        """The status code for an error."""
        return error_status(report)


class LastStatus(StreamedStatus):
    """Only the last thing, once it is done."""

    media_type = "application/json; charset=utf-8"

    def render(self, news: str | Progress) -> bytes:
        """Nothing before the last."""
        return super().render(news) if news == "success" else b""


async def created(
    library: Library, request: CreateRequest, quantizer: Quantizer
) -> AsyncGenerator[str | Progress]:
    """Create the model, telling what is done; it waits for the disk in a thread."""
    async for news in iterate_in_threadpool(create(library, request, quantizer)):
        yield news
