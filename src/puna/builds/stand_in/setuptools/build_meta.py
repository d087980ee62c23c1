"""Tells pip the name and the version that it asked for, and no more."""

import os
from pathlib import Path


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, str] | None = None
) -> str:
    """Write them where pip reads them."""
    name, version = os.environ["PUNA_SOURCE"].split()
    folder = Path(metadata_directory) / f"{name}-{version}.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(text)
    return folder.name
