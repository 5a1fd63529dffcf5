"""The figures of the page in dark mode: colors as CSS variables, which have other values there.

An image in a page takes the color scheme of the element that shows it, so one SVG serves both. Neutral colors (text,
axes, grid, background) go from the page's text to its background; data colors have a lighter value each, and their
tints are the same share of it. Only the page's copy is changed, not the files that are saved.
"""

from __future__ import annotations

import re

from .. import style

FRONT, BACK = (0xE6, 0xED, 0xF3), (0x12, 0x16, 0x1B)
"""Text and background of the page in dark mode, as in report.css."""
DATA = {
    "#2f6db5": "#6aa5ee",
    "#e8a838": "#e8a838",
    "#1d9a78": "#3fc29c",
    "#7d2150": "#e07fb2",
    "#27496d": "#8bbcf0",
    "#b5533c": "#ee8468",
    "#86a5d9": "#5379bd",
    "#c9b458": "#d9c765",
    "#8a8a8a": "#9aa3ac",
    "#d62728": "#ff6f6f",
}
"""Colors of categories and models, and what they are on a dark background."""
TEXT = {"#8a5a00": "#f0bd62", "#0f6b52": "#55cfaa"}
"""Colors of text that are shades of data colors."""
TINTS, SHADES = (0.38, 0.6), (0.6,)
"""The shares that figures use of `style.tint` and `style.shade`."""
CONTRAST = 4.5
"""The least contrast that a color without an entry gets."""
_COLOR = re.compile(r"(?<=: )#[0-9a-f]{6}(?=[;\"])")


def adaptive(svg: bytes) -> bytes:
    """An SVG of matplotlib that follows the color scheme of the page; its light colors stay what they are.

    Text in groups with the id `cell` is on colored cells, which are the same in both schemes, and so is the text.
    """
    text = svg.decode("utf-8")
    used = sorted(set(_COLOR.findall(text)))
    text = _COLOR.sub(lambda found: f"var(--{found[0][1:]}, {found[0]})", text)
    values = "".join(f"--{color[1:]}:{dark(color)};" for color in used)
    rules = (
        f"@media (prefers-color-scheme: dark){{svg{{fill:{_hex(FRONT)};{values}}}"
        "#cell{fill:#000000;--000000:#000000;--ffffff:#ffffff}}"
    )
    return text.replace("</style>", f"{rules}</style>", 1).encode("utf-8")


def dark(color: str) -> str:
    """What a color is in dark mode."""
    if color in _KNOWN:
        return _KNOWN[color]
    rgb = _rgb(color)
    if max(rgb) - min(rgb) <= 8:
        return _mixed(BACK, FRONT, sum(rgb) / 3 / 255)
    for share in range(100, 0, -5):
        lighter = _mixed(rgb, FRONT, share / 100)
        if _contrast(_rgb(lighter), BACK) >= CONTRAST:
            return lighter
    return _hex(FRONT)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{c:02x}" for c in rgb)


def _mixed(a: tuple[int, int, int], b: tuple[int, int, int], share: float) -> str:
    """This share of the first color, the rest of the second."""
    red, green, blue = (round(share * x + (1 - share) * y) for x, y in zip(a, b, strict=True))
    return _hex((red, green, blue))


def _contrast(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _luminance(rgb: tuple[int, int, int]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _known() -> dict[str, str]:
    """All colors with a value of their own: those of data and text, and what figures make of them."""
    found = {**DATA, **TEXT}
    for color, own in DATA.items():
        found |= {style.tint(color, share): _mixed(_rgb(own), BACK, share) for share in TINTS}
        found |= {style.shade(color, share): _mixed(_rgb(own), FRONT, share) for share in SHADES}
    return found


_KNOWN = _known()
