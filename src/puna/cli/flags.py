"""The flags of the settings: one for each, made from it."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from puna.configuration import flag
from puna.settings import Settings


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with a flag for each setting besides its own; those given come as `given`."""
    own = [one for one in inspect.signature(command).parameters.values() if one.name != "given"]
    parameters = [*own, *(_parameter(name) for name in Settings.model_fields)]

    def run(**values: Any) -> None:
        own_values = {one.name: values.pop(one.name) for one in own}
        given = {name: value for name, value in values.items() if value is not None}
        command(**own_values, given=given)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    # What typer reads instead of the body.
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _parameter(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    text = flag(name)
    kind: Any = str
    if field.annotation is bool:
        text, kind = f"{text}/--no-{text.removeprefix('--')}", bool
    # The default is left to the settings, so that a flag that is not given has no say.
    option = typer.Option(text, help=field.description, show_default=False)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )
