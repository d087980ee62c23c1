"""The page on the settings says what the settings are."""

import write_settings


def test_the_page_on_the_settings_is_up_to_date() -> None:
    assert write_settings.PAGE.read_text() == write_settings.page(), (
        "Run python scripts/write_settings.py."
    )
