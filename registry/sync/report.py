"""What a run did, and what it could not use and why. Above: `passes`, `mirror`, `harvest`. Below: nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: So many problems are told one by one in a report; all of them stay at their versions and in the rejects.
EXAMPLES = 200


@dataclass(slots=True)
class Report:
    """Counts by word (pages, rows, added, changed, unchanged, unusable, missing, settled), reasons, examples."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, str]] = field(default_factory=list)

    def problem(self, reason: str, name: str = "", version: str = "") -> None:
        """Note something that could not be used."""
        self.counts["unusable"] += 1
        # Places within documents differ for each of them; what is counted is the kind of problem.
        self.reasons["".join(one for one in reason if not one.isdigit())[:200]] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append({"name": name, "version": version, "reason": reason[:500]})

    def told(self) -> dict[str, Any]:
        """The report as it is stored."""
        return {**self.counts, "reasons": dict(self.reasons.most_common(50)), "examples": self.examples}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Report:
        """Go on with a stored report."""
        counts = Counter({name: value for name, value in told.items() if isinstance(value, int)})
        return cls(counts, Counter(told.get("reasons") or {}), list(told.get("examples") or []))
