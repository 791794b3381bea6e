"""Losses made larger, so that gradients in half precision do not vanish (AMP).

Paddle's GradScaler does nothing on a CPU and looks at the gradients a second time; the stepper knows already whether
they are finite, so all that is left are these numbers, which fit into a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

START = 1024.0  # as in PaddleGAN
PATIENCE = 2000  # finite steps until a larger scale is tried


class LossScale:
    """The factor of the loss: halved when a gradient overflows, doubled after 2000 steps without. Disabled, it is 1."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.value = START if enabled else 1.0
        self._good = 0

    def update(self, finite: bool) -> None:
        """Learn whether the gradients of a step were finite."""
        if not self.enabled:
            return
        self._good = self._good + 1 if finite else 0
        if not finite:
            self.value = max(1.0, self.value / 2)
        elif self._good == PATIENCE:
            self.value, self._good = 2 * self.value, 0

    def facts(self) -> dict[str, Any] | None:
        """Return what `restore` needs, as JSON; None if disabled."""
        return {"value": self.value, "good": self._good} if self.enabled else None

    def restore(self, facts: Mapping[str, Any] | None) -> None:
        """Go on from what `facts` returned; without, or disabled, stay as it is."""
        if self.enabled and facts:
            self.value, self._good = float(facts["value"]), int(facts["good"])
