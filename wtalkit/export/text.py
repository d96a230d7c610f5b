"""Labels as other formats can hold them."""

from __future__ import annotations

import re

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_BREAKS = re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029 ]+")


def encodable(text: str) -> str:
    """``text`` without halves of characters, which UTF-8 cannot hold."""
    return _SURROGATES.sub("\ufffd", text)


def one_line(text: str) -> str:
    """``text`` on one line, free of what is no character in XML."""
    return _BREAKS.sub(" ", _CONTROLS.sub("", encodable(text))).strip()
