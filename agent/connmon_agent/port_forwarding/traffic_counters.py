"""What has gone through one local port, counted while it goes."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.observations import Traffic


@dataclass(slots=True)
class TrafficCounters:
    """The same numbers as in ``Traffic``, while they change."""

    open: int = 0
    served: int = 0
    failed: int = 0
    received: int = 0
    sent: int = 0
    error: str | None = None
    error_at: float | None = None

    def fail(self, error: str, at: float) -> None:
        """One connection failed at ``at`` (Unix seconds)."""
        self.failed += 1
        self.error, self.error_at = error, at

    def read(self, service: str) -> Traffic:
        """The numbers of this instant."""
        return Traffic(
            service=service,
            open=self.open,
            served=self.served,
            failed=self.failed,
            received=self.received,
            sent=self.sent,
            error=self.error,
            error_at=self.error_at,
        )
