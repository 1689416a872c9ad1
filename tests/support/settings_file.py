"""A file with settings in the current folder, and the mistakes in it."""

from pathlib import Path

import pytest

from config.load import SettingsError, load


def written(text: str) -> Path:
    file = Path("mine.toml").absolute()
    file.write_text(text)
    return file


def mistakes(file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(file)
    return str(caught.value).splitlines()
