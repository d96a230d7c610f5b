"""The page on writing a method shows one that works."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.methods.tiny import labels, videos
from wtalkit.methods import METHODS, MethodEntry, create
from wtalkit.methods.composition import total_loss
from wtalkit.methods.interface import Batch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "new-method.md"


def test_the_example_trains_with_a_plugin_and_without_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    module = ModuleType("wtalkit.methods.meannet")
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(METHODS, "meannet", MethodEntry("base", "an example", "meannet:MeanNet"))
    batch = Batch.from_features(videos(), labels())
    for without, names in (((), {"base.class", "base.norm"}), (("norm",), {"base.class"})):
        model = create("meannet", num_classes=5, feature_dim=64, without=without, dropout=0.1)
        terms = model.losses(*model(batch), batch)
        assert set(terms) == names
        total_loss(terms).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
    both = create("clasnet", num_classes=5, feature_dim=64, base="meannet")
    assert {"base.class", "clasnet.brm"} <= set(both.losses(*both(batch), batch))
