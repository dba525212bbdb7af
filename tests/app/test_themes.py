"""Themes: every one is readable, every role has a colour, bad files say what is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from autolab_tui import preferences, themes
from autolab_tui.roles import ORNAMENTS, ROLES
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


# Full protanopia, deuteranopia and tritanopia on linear RGB (Machado, Oliveira, Fernandes 2009).
_BLIND = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
_TOLD_APART = 20.0  # CIE 1976 difference; about 2 is the least that is seen side by side


def _lab(linear: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (min(1.0, max(0.0, channel)) for channel in linear)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _seen(colour: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return _lab(tuple(sum(a * b for a, b in zip(row, linear, strict=True)) for row in matrix))


@pytest.mark.parametrize("sight", _BLIND)
@pytest.mark.parametrize("name", ["autolab-safe", "autolab-safe-light"])
def test_the_safe_themes_tell_good_from_bad_to_every_eye(name: str, sight: str) -> None:
    roles = SHIPPED[name].roles
    for good, bad in (
        ("verdict-pass", "verdict-fail"),
        ("run-running", "run-failed"),
        ("run-finished", "run-failed"),
        ("plot-1", "plot-2"),
        ("good", "bad"),
    ):
        one, other = (_seen(roles[role], _BLIND[sight]) for role in (good, bad))
        difference = sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
        assert difference >= _TOLD_APART, (good, bad, difference)


@pytest.mark.parametrize("name", ["autolab-contrast", "autolab-contrast-light"])
def test_the_contrast_themes_reach_the_higher_grade(name: str) -> None:
    theme = SHIPPED[name]
    for role in ROLES:
        if role not in ORNAMENTS:
            for ground in ("background", "surface", "panel", "cursor"):
                found = themes.contrast(theme.roles[role], theme.palette[ground])
                assert found >= 7.0, (role, ground, found)  # WCAG AAA


def test_there_is_a_theme_for_every_terminal() -> None:
    assert len(SHIPPED) >= 8
    assert sum(not theme.dark for theme in SHIPPED.values()) >= 3
    assert any(theme.ansi for theme in SHIPPED.values())


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


async def test_the_operators_files_are_read_once_and_a_broken_one_is_told(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "themes"
    folder.mkdir()
    (folder / "mine.toml").write_text(GOOD)
    (folder / "broken.toml").write_text("name =")
    read: list[str] = []

    def load(path: Path) -> Theme:
        read.append(path.name)
        return real(path)

    real = themes.load
    monkeypatch.setattr(themes, "load", load)
    async with desk(theme="mine") as at:
        assert at.app.theme == "mine"
        await at.until(lambda: "A theme was left out" in at.text(), "what is wrong")
        assert set(SHIPPED) < set(at.app.available_themes)
    assert sorted(read) == ["broken.toml", "mine.toml"]
