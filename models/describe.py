"""Write ``methods.json``: parameters, parts and options of every method, for ``wtalkit methods``.

python models/describe.py
"""

from __future__ import annotations

import json
from pathlib import Path

from wtalkit.methods.description import describe_all

if __name__ == "__main__":
    text = json.dumps(describe_all(), indent=1, ensure_ascii=False)
    (Path(__file__).parent / "methods.json").write_text(text + "\n", encoding="utf-8")
