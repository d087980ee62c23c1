"""Checks that every relative link in the documentation leads to a file.

Usage: python scripts/check_links.py
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def dead_links() -> list[str]:
    """Each dead link with the page that it is on."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]


if __name__ == "__main__":
    if dead := dead_links():
        sys.exit("Links that lead nowhere:\n" + "\n".join(dead))
