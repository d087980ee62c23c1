"""Names of models, as people write them: `[host/][namespace/]model[:tag][@sha256:digest]`."""

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from puna.errors import BadRequest

HOST = "registry.ollama.ai"
NAMESPACE = "library"
TAG = "latest"

# Ollama's own bounds, so that neither program meets a name that the other cannot read; a host is
# shorter than Ollama's 350 bytes, since no file system has folders of so long a name.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\-]{0,254}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,79}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_REVISION = re.compile(r"(?:sha256[:\-])?([0-9a-fA-F]{7,64})")

_MEND = "A name is written as model, model:tag, namespace/model:tag or host/namespace/model:tag."


@dataclass(frozen=True, slots=True)
class Name:
    """A well-formed name; no other can exist, so that none leads out of the store's folder.

    `revision` is the beginning of a manifest's digest, in hex; empty, it is the current one.
    """

    model: str
    tag: str = TAG
    namespace: str = NAMESPACE
    host: str = HOST
    revision: str = ""

    def __post_init__(self) -> None:
        for pattern, part in (
            (_HOST, self.host),
            (_NAMESPACE, self.namespace),
            (_WORD, self.model),
            (_WORD, self.tag),
            (_REVISION, self.revision or "0000000"),
        ):
            if pattern.fullmatch(part) is None:
                raise BadRequest(f"{part[:200]!r} is not a part of a model's name.", _MEND)

    @classmethod
    def parse(cls, text: str) -> "Name":
        """The name that a text is, or an error that says that it is none."""
        try:
            return cls(**_parts(text))
        except BadRequest:
            raise BadRequest(f"{text[:200]!r} is not a model's name.", _MEND) from None

    @property
    def file(self) -> PurePosixPath:
        """Where the manifest lies, below the folder of manifests."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)

    @property
    def folded(self) -> "Name":
        """The same for all spellings that differ in their case only."""
        return Name(self.model.lower(), self.tag.lower(), self.namespace.lower(), self.host.lower())

    @property
    def current(self) -> "Name":
        """The name without a revision."""
        return replace(self, revision="") if self.revision else self

    def __str__(self) -> str:
        """The shortest form, as Ollama prints it."""
        where = ""
        if self.host.lower() != HOST:
            where = f"{self.host}/{self.namespace}/"
        elif self.namespace.lower() != NAMESPACE:
            where = f"{self.namespace}/"
        revision = f"@sha256:{self.revision}" if self.revision else ""
        return f"{where}{self.model}:{self.tag}{revision}"


def _parts(text: str) -> dict[str, str]:
    text, at, revision = text.partition("@")
    parts: dict[str, str] = {}
    if at:
        found = _REVISION.fullmatch(revision)
        parts["revision"] = found[1].lower() if found else "none"
    if text.rfind(":") > text.rfind("/"):
        text, _, parts["tag"] = text.rpartition(":")
    bare = _SCHEME.sub("", text, count=1)
    words = bare.split("/")
    if len(words) > 3 or (bare != text and len(words) < 3):
        raise BadRequest("A name has a model, a namespace and a host at most.")
    # From the right: a model always, then its namespace, then its host.
    parts.update(zip(("model", "namespace", "host"), reversed(words), strict=False))
    return parts
