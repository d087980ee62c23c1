"""What a route lets one do: every route of every dialect declares it.

`infer` runs models, `manage` changes or looks into models and jobs, `admin` concerns the server
itself and everybody on it.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

Scope = Literal["infer", "manage", "admin"]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def scope(name: Scope) -> Callable[[Endpoint], Endpoint]:
    """Declare an endpoint's scope; stands directly above the endpoint, below its route."""

    def declare(endpoint: Endpoint) -> Endpoint:
        vars(endpoint)["puna_scope"] = name
        return endpoint

    return declare


def scope_of(endpoint: Callable[..., Any]) -> Scope | None:
    """The scope that an endpoint has declared."""
    return vars(endpoint).get("puna_scope")
