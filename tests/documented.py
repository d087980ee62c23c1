"""What the documentation shows: its blocks of code, each with why it is not executed, if so."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```[ ]*$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- not executed: (\S+(?: \S+)+) -->\n*\Z")
_INLINE = re.compile(r"(?<!`)`(?:\$ )?(puna [^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """One block: where it is, its language and text, and why nobody executes it."""

    page: Path
    line: int
    language: str
    text: str
    excuse: str

    @property
    def where(self) -> str:
        """For whoever has to mend it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    content, found = page.read_text(), list[Block]()
    for fence in _FENCE.finditer(content):
        indent, language, text = fence.groups()
        before = content[: fence.start()]
        mark = _MARK.search(before)
        found.append(
            Block(
                page,
                before.count("\n") + 1,
                language.strip(),
                re.sub(rf"^{indent}", "", text, flags=re.MULTILINE),
                mark[1] if mark else "",
            )
        )
    return found


def commands_in(page: Path) -> list[str]:
    """The commands that a page's sentences name."""
    return _INLINE.findall(_FENCE.sub("", page.read_text()))
