"""HTML and SVG made of elements. Text becomes markup in one way only: escaped.

Whatever is no `Markup` is made harmless (control characters, direction overrides) and escaped,
child or attribute, so that no text of an agent, a task or a model can be more than text.
"""

from __future__ import annotations

from html import escape

from autolab_tui.plain import plain

_VOID = frozenset({"meta", "br", "link"})
Child = object  # Markup as it is; None and "" for nothing; anything else as text


class Markup(str):
    """Text that is markup already, made by `element`."""

    __slots__ = ()


def text(value: object) -> str:
    """A value as escaped text."""
    return value if isinstance(value, Markup) else escape(plain(str(value)), quote=True)


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """`<name attributes>children</name>`; `class_` is `class`, `font_size` is `font-size`.

    Attributes that are None are left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(text(child) for child in children if child is not None))


def _number(value: object) -> object:
    """Coordinates to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
