"""Documents near to valid ones, as strategies of hypothesis."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

ODD_TEXT = (
    "", " ", "../../x", "/etc/passwd", "C:\\x", "a\0b", "x" * 300, "<script>alert(1)</script>", "=cmd|' /C calc'!A0",
    "\x1b[2J", "\ud800", "\u202e", "NaN", "__proto__", "a/../../b", "..", ".", "~", "%s%n", "{0}", "\u2028",
)  # fmt: skip
ODD_NUMBERS = (0, -1, 1e308, -1e308, 5e-324, 10**30, 10**400, -(10**400), 2**63, 2**31, 0.1)
ODD_VALUES = st.one_of(
    st.sampled_from((None, True, False, [], {}, [[]], [None, None], {"a": {}}, *ODD_TEXT, *ODD_NUMBERS)),
    st.sampled_from((float("nan"), float("inf"))),
    st.integers(),
    st.text(max_size=8),
)
TOKENS = (
    b"\0", b"\xff", b"\n", b"\r", b",", b";", b"|", b'"', b"'", b"[", b"]", b"{", b"}", b"=", b".", b"#", b"\x80\x04",
    b"NaN", b"1e999", b"[" * 600, b'{"a":' * 600, b"9" * 5000, b"\xed\xa0\x80", b"\xef\xbb\xbf", b"..", b"R", b"b",
    b"c",
    b"os\nsystem\n", b"\xff" * 8, b"\x00" * 8, b"t", b"(", b"u", b"a." * 700, b'"""', b"1979-05-27", b"\x1b",
)  # fmt: skip


@st.composite
def near_bytes(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with some of its bytes changed, left out, doubled or replaced by tokens that matter to parsers."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        until = min(len(content), at + draw(st.integers(0, 8)))
        change = draw(st.integers(0, 5))
        if change == 0:
            content[at:until] = draw(st.sampled_from(TOKENS))
        elif change == 1:
            content[at:until] = draw(st.binary(max_size=8))
        elif change == 2:
            del content[at:until]
        elif change == 3:
            del content[at:]
        elif change == 4:
            content[at:at] = content[at:until] * draw(st.integers(1, 50))
        elif at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


@st.composite
def near_json(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A JSON document with some of its values replaced, keys renamed, or entries left out or added."""
    document = copy.deepcopy(json.loads(draw(st.sampled_from(seeds))))
    for _ in range(draw(st.integers(1, 3))):
        document = _changed(draw, document)
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _changed(draw: st.DrawFn, value: Any) -> Any:
    here = not isinstance(value, dict | list) or not value or draw(st.integers(0, 5)) == 0
    if here:
        return draw(ODD_VALUES)
    if isinstance(value, list):
        index = draw(st.integers(0, len(value) - 1))
        value[index] = _changed(draw, value[index])
        return value
    key = draw(st.sampled_from(sorted(value)))
    how = draw(st.integers(0, 8))
    if how == 0:
        del value[key]
    elif how == 1:
        value[draw(st.sampled_from(ODD_TEXT))] = value.pop(key)
    elif how == 2:
        value[draw(st.text(max_size=4))] = draw(ODD_VALUES)
    else:
        value[key] = _changed(draw, value[key])
    return value
