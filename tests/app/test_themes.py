"""Themes: every one is readable, every role has a colour, bad files say what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autolab_tui import preferences, themes
from autolab_tui.roles import ROLES
from autolab_tui.themes import Theme, ThemeError

SHIPPED = themes.shipped()
GOOD = """
name = "mine"
dark = true
[palette]
background = "#000000"
surface = "#080808"
panel = "#101010"
cursor = "#181818"
foreground = "#ffffff"
primary = "#88bbff"
accent = "#ffcc66"
muted = "#aaaaaa"
"""


def test_the_default_comes_first() -> None:
    assert next(iter(SHIPPED)) == themes.DEFAULT
    assert {"autolab-light", "autolab-safe", "autolab-ansi"} <= set(SHIPPED)


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_shipped_theme_passes_the_contrast_check(theme: Theme) -> None:
    assert themes.shortfalls(theme) == []


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
def test_states_look_different(theme: Theme) -> None:
    """Running, verifying, finished and failed are told apart by colour as well as by sign."""
    told = [theme.roles[r] for r in ("run-running", "run-verifying", "run-finished", "run-failed")]
    assert len(set(told)) == len(told)


def test_the_safe_theme_never_sets_green_against_red() -> None:
    safe = SHIPPED["autolab-safe"].roles
    red, green, blue = (int(safe["verdict-pass"][i : i + 2], 16) for i in (1, 3, 5))
    assert blue > green > red  # blue
    red, green, blue = (int(safe["verdict-fail"][i : i + 2], 16) for i in (1, 3, 5))
    assert red > green > blue  # orange


def test_the_stylesheet_knows_every_role() -> None:
    sheet = (Path(themes.__file__).parent / "app.tcss").read_text(encoding="utf-8")
    styled = re.findall(r"\.line--([a-z0-9-]+) \{ color: \$role-([a-z0-9-]+);", sheet)
    assert all(one == other for one, other in styled)
    assert {one for one, _ in styled} == set(ROLES)


def test_stylesheets_name_no_colour() -> None:
    folder = Path(themes.__file__).parent
    for sheet in folder.rglob("*.tcss"):
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?!\w*-)\s*;", sheet.read_text()), sheet


def test_contrast_is_that_of_wcag() -> None:
    assert themes.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert themes.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert themes.contrast("#123456", "#123456") == pytest.approx(1.0)


def test_faint_text_is_found() -> None:
    theme = themes.parse(GOOD.replace("#aaaaaa", "#333333"), "mine.toml")
    worst = themes.shortfalls(theme)[0]
    assert worst.role in ("dim", "thought", "output", "run-queued", "run-preparing",
                          "verdict-unjudged")  # fmt: skip
    assert worst.ratio < worst.needed == 4.5


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('name = "mine"', 'name = "My Theme"'), "name = 'My Theme'"),
        (("#88bbff", "blue"), r"\[palette\] primary = 'blue'"),
        (('primary = "#88bbff"', ""), "lacks primary"),
        (("dark = true", "dark = 1"), "dark = 1"),
        (("[palette]", "[colours]"), "unknown key 'colours'"),
        (('muted = "#aaaaaa"', 'mutt = "#aaaaaa"'), "unknown key 'mutt'"),
        (("[palette]", "[roles]\nrun-gone = '#ffffff'\n[palette]"), "unknown role 'run-gone'"),
        (("dark = true", "dark = "), "not TOML"),
    ],
)  # fmt: skip
def test_a_bad_file_says_what_is_wrong(change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(ThemeError, match=complaint) as caught:
        themes.parse(GOOD.replace(*change), "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")


def test_the_operators_folder_adds_and_replaces(tmp_path: Path) -> None:
    folder = tmp_path / "themes"
    folder.mkdir()
    (folder / "mine.toml").write_text(GOOD)
    (folder / "dark.toml").write_text(GOOD.replace('"mine"', '"autolab-dark"'))
    (folder / "broken.toml").write_text("name = ")
    (folder / "not-utf8.toml").write_bytes(b"\xff\xfe")
    found, problems = themes.everything(tmp_path)
    assert found["mine"].palette["primary"] == "#88bbff"
    assert found["autolab-dark"].source.endswith("dark.toml")
    assert len(problems) == 2


def test_ansi_themes_name_the_terminals_colours(tmp_path: Path) -> None:
    with pytest.raises(ThemeError, match="ansi_red"):
        themes.parse(GOOD.replace("dark = true", "dark = true\nansi = true"), "x.toml")


def test_the_choice_is_remembered_beside_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    assert preferences.load(folder).theme is None
    preferences.remember(folder, theme="autolab-light")
    (folder / "app.toml").write_text((folder / "app.toml").read_text() + "other = 1\n")
    preferences.remember(folder, theme="autolab-safe")
    assert preferences.load(folder).theme == "autolab-safe"
    assert "other = 1" in (folder / "app.toml").read_text()


@pytest.mark.parametrize("spoilt", ["theme = 7", "theme = ", "\x00", ""])
def test_a_spoilt_file_remembers_nothing(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "app.toml").write_text(spoilt)
    assert preferences.load(tmp_path).theme is None


def test_the_example_in_the_documentation_is_sound() -> None:
    page = Path(themes.__file__).resolve().parents[1] / "docs" / "terminal-app.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    theme = themes.parse(example, "the example")
    assert theme.roles["run-verifying"] == "#d0b0ff"
    assert themes.shortfalls(theme) == []
