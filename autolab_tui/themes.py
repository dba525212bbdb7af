"""Themes: one TOML file each, shipped in `themes/` or dropped into the config folder's `themes/`.

A file names itself (`name`, `title`), says whether it is `dark` and whether it uses the terminal's
own sixteen colours (`ansi`), and gives a `[palette]` (Textual's) and `[roles]` (see `roles.py`;
those left out are derived from the palette). Textual is imported only when a theme is handed to it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autolab_tui.roles import GRAPHICS, ORNAMENTS, ROLES, Role

if TYPE_CHECKING:
    from textual.theme import Theme as TextualTheme

DEFAULT = "autolab-dark"
TEXT_CONTRAST = 4.5  # WCAG 2.2 AA for text
GRAPHIC_CONTRAST = 3.0  # and for shapes that carry meaning
_PALETTE = ("background", "surface", "panel", "cursor", "foreground", "primary", "accent")
_PALETTE_MORE = ("good", "bad", "warn", "muted", "faint", "violet")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_ANSI = re.compile(
    r"ansi_(?:default|(?:bright_)?(?:black|red|green|yellow|blue|magenta|cyan|white))"
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

# A role that a file leaves out takes this colour of its palette.
_FROM_PALETTE: Mapping[Role, str] = {
    "text": "foreground",
    "dim": "muted",
    "faint": "faint",
    "strong": "foreground",
    "title": "primary",
    "key": "accent",
    "accent": "accent",
    "good": "good",
    "bad": "bad",
    "warn": "warn",
    "run-queued": "muted",
    "run-preparing": "muted",
    "run-running": "primary",
    "run-paused": "warn",
    "run-verifying": "violet",
    "run-finished": "good",
    "run-failed": "bad",
    "verdict-pass": "good",
    "verdict-fail": "bad",
    "verdict-suspect": "warn",
    "verdict-unjudged": "muted",
    "bar-used": "primary",
    "bar-left": "faint",
    "bar-tick": "foreground",
    "spark": "primary",
    "plot-best": "primary",
    "plot-reference": "accent",
    "plot-now": "muted",
    "plot-cursor": "accent",
    "plot-shade": "faint",
    "plot-1": "primary",
    "plot-2": "accent",
    "plot-3": "good",
    "plot-4": "violet",
    "plot-5": "bad",
    "plot-6": "muted",
    "axis": "faint",
    "said": "foreground",
    "thought": "muted",
    "tool": "accent",
    "output": "muted",
}


class ThemeError(ValueError):
    """A theme file cannot be used; the message names file, key, value and remedy."""


class Theme(msgspec.Struct, frozen=True):
    """A theme as its file has it, with every role filled in."""

    name: str
    title: str
    dark: bool
    ansi: bool
    palette: Mapping[str, str]
    roles: Mapping[Role, str]
    source: str

    def to_textual(self) -> TextualTheme:
        """The same as Textual knows it; roles become `$role-...` variables."""
        from textual.theme import BUILTIN_THEMES
        from textual.theme import Theme as TextualTheme

        # Textual's stylesheets ask an ANSI theme for variables that others do not have.
        base = BUILTIN_THEMES["ansi-dark"].variables if self.ansi else {}
        palette = self.palette
        return TextualTheme(
            name=self.name,
            primary=palette["primary"],
            secondary=palette["violet"],
            warning=palette["warn"],
            error=palette["bad"],
            success=palette["good"],
            accent=palette["accent"],
            foreground=palette["foreground"],
            background=palette["background"],
            surface=palette["surface"],
            panel=palette["panel"],
            boost=palette["panel"],
            dark=self.dark,
            ansi=self.ansi,
            variables={**base, **self.variables(), **_widget_variables(self)},
        )

    def variables(self) -> dict[str, str]:
        """The CSS variables that are ours: `role-NAME`, `cursor`, `muted`, `faint`."""
        named = {f"role-{role}": colour for role, colour in self.roles.items()}
        return named | {key: self.palette[key] for key in ("cursor", "muted", "faint")}


def _widget_variables(theme: Theme) -> dict[str, str]:
    """Textual's own variables for the few stock widgets that the app uses."""
    palette = theme.palette
    return {
        "block-cursor-background": palette["cursor"],
        "block-cursor-foreground": palette["foreground"],
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": palette["cursor"],
        "block-cursor-blurred-foreground": palette["foreground"],
        "border": palette["primary"],
        "border-blurred": palette["faint"],
        "scrollbar": palette["faint"],
        "scrollbar-hover": palette["muted"],
        "scrollbar-active": palette["primary"],
        "scrollbar-background": palette["background"],
        "scrollbar-background-hover": palette["background"],
        "scrollbar-background-active": palette["background"],
        "scrollbar-corner-color": palette["background"],
        "input-cursor-background": palette["foreground"],
        "input-cursor-foreground": palette["background"],
        "input-cursor-text-style": "none",
    }


def parse(text: str, source: str) -> Theme:
    """A theme from the text of its file. Raises `ThemeError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(
            f"{source}: not TOML ({error}); see the themes shipped in themes/"
        ) from None
    known = {"name", "title", "dark", "ansi", "palette", "roles"}
    for key in data:
        if key not in known:
            raise ThemeError(
                f"{source}: unknown key {key!r}; it may have {', '.join(sorted(known))}"
            )
    name = data.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ThemeError(
            f"{source}: name = {name!r} must be a word of lower-case letters, digits, - and _"
        )
    ansi = _flag(data, "ansi", False, source)
    palette = _colours(data, "palette", source, ansi)
    for key in _PALETTE:
        if key not in palette:
            raise ThemeError(f'{source}: [palette] lacks {key}; add {key} = "#rrggbb"')
    for key in palette:
        if key not in _PALETTE + _PALETTE_MORE:
            allowed = ", ".join(_PALETTE + _PALETTE_MORE)
            raise ThemeError(
                f"{source}: [palette] has an unknown key {key!r}; it may have {allowed}"
            )
    fallback = {
        "good": palette["primary"],
        "bad": palette["accent"],
        "warn": palette["accent"],
        "muted": palette["foreground"],
        "faint": palette["panel"],
        "violet": palette["accent"],
    }
    palette = fallback | palette
    given = _colours(data, "roles", source, ansi)
    for key in given:
        if key not in ROLES:
            raise ThemeError(
                f"{source}: [roles] has an unknown role {key!r}; see autolab_tui/roles.py"
            )
    roles: dict[Role, str] = {role: given.get(role, palette[_FROM_PALETTE[role]]) for role in ROLES}
    title = data.get("title", name)
    if not isinstance(title, str):
        raise ThemeError(f"{source}: title = {title!r} must be text in quotes")
    dark = _flag(data, "dark", True, source)
    return Theme(name, title, dark, ansi, palette, roles, source)


def _flag(data: Mapping[str, Any], key: str, default: bool, source: str) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise ThemeError(f"{source}: {key} = {value!r} must be true or false")
    return value


def _colours(data: Mapping[str, Any], table: str, source: str, ansi: bool) -> dict[str, str]:
    colours = data.get(table, {})
    if not isinstance(colours, dict):
        raise ThemeError(f"{source}: [{table}] must be a table of colours")
    for key, value in colours.items():
        fine = isinstance(value, str) and (_ANSI if ansi else _HEX).fullmatch(value)
        if not fine:
            form = "ansi_red, ansi_bright_blue, ansi_default, ..." if ansi else '"#rrggbb"'
            raise ThemeError(f"{source}: [{table}] {key} = {value!r} must be a colour like {form}")
    return dict(colours)


def load(path: Path) -> Theme:
    """A theme from a file of the operator's. Raises `ThemeError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ThemeError(f"{path}: cannot be read ({error})") from None
    return parse(text, str(path))


def shipped() -> dict[str, Theme]:
    """The themes that come with AutoLab, by name; the default first."""
    found: dict[str, Theme] = {}
    for entry in sorted(files("themes").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            theme = parse(entry.read_text(encoding="utf-8"), f"themes/{entry.name}")
            found[theme.name] = theme
    return {DEFAULT: found.pop(DEFAULT), **found}


Theirs = tuple[dict[str, Theme], list[ThemeError]]


def to_begin_with(wanted: str, theirs: dict[str, Theme]) -> Theme:
    """The theme to start with: the operator's of that name, else a shipped one, else the default.

    It is read alone: reading all that are shipped takes as long as drawing the first frame.
    """
    if wanted in theirs:
        return theirs[wanted]
    for name in (wanted, DEFAULT):
        entry = files("themes") / f"{name}.toml"
        if _NAME.fullmatch(name) and entry.is_file():
            break
    return parse(entry.read_text(encoding="utf-8"), f"themes/{entry.name}")


def everything(config: Path) -> Theirs:
    """Shipped themes and those in `config/themes`, and what was wrong with files there.

    A theme of the operator's replaces a shipped one of the same name.
    """
    theirs, problems = operators(config)
    return {**shipped(), **theirs}, problems


def operators(config: Path) -> Theirs:
    """The operator's own themes, and what was wrong with files there."""
    themes: dict[str, Theme] = {}
    problems: list[ThemeError] = []
    folder = config / "themes"
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        paths = []
    except OSError as error:
        paths = []
        problems.append(ThemeError(f"{folder}: cannot be read ({error.strerror}); mend its rights"))
    for path in paths:
        try:
            theme = load(path)
        except ThemeError as error:
            problems.append(error)
        else:
            themes[theme.name] = theme
    return themes, problems


class Shortfall(msgspec.Struct, frozen=True):
    """A role that is too faint on one of the grounds it is drawn on."""

    role: Role
    ground: str
    ratio: float
    needed: float


def shortfalls(theme: Theme) -> list[Shortfall]:
    """Where a theme falls below WCAG AA, worst first; empty for the terminal's own colours.

    Those sixteen are the operator's choice and unknown to us.
    """
    if theme.ansi:
        return []
    found: list[Shortfall] = []
    for role in ROLES:
        if role in ORNAMENTS:
            continue
        needed = GRAPHIC_CONTRAST if role in GRAPHICS else TEXT_CONTRAST
        for ground in ("background", "surface", "panel", "cursor"):
            ratio = contrast(theme.roles[role], theme.palette[ground])
            if ratio < needed:
                found.append(Shortfall(role, ground, ratio, needed))
    return sorted(found, key=lambda s: s.ratio / s.needed)


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two `#rrggbb` colours, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def names(themes: Iterable[Theme]) -> str:
    """Names for a message."""
    return ", ".join(theme.name for theme in themes)
