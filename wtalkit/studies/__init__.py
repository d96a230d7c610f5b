"""Several trainings side by side: which runs are meant, their scores, what differs, mean and spread over seeds."""

from __future__ import annotations

from wtalkit.studies.comparison import Comparison, compare
from wtalkit.studies.groups import Figure, Group
from wtalkit.studies.tables import to_csv, to_markdown

__all__ = ["Comparison", "Figure", "Group", "compare", "to_csv", "to_markdown"]
