"""What can go wrong between a client and the API, on request."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .api import Call


@dataclass(frozen=True, slots=True)
class Answer:
    """The request is refused with this status and not processed. ``retry_after`` in seconds (None: not sent)."""

    status: int
    retry_after: int | None = None
    message: str = "refused on request"


@dataclass(frozen=True, slots=True)
class Delay:
    """The request is processed after ``seconds``, even when the client has gone by then."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """The request is accepted and never answered. ``processed``: it takes effect all the same."""

    processed: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset. ``processed`` False: the request was lost; True: it took effect, the reply was lost."""

    processed: bool = False


@dataclass(frozen=True, slots=True)
class LateDelivery:
    """The connection is reset now, and the request takes effect ``seconds`` later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Malformed:
    """The request is processed, and half of the JSON is the answer (of a watch: of each event)."""


@dataclass(frozen=True, slots=True)
class Html:
    """A page instead of the API, as a captive portal or a proxy answers. The request is not processed."""

    status: int = 200
    page: str = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in.</body></html>"


@dataclass(frozen=True, slots=True)
class Drip:
    """The request is processed, and the answer comes byte by byte, one every ``seconds``; but a WebSocket works."""

    seconds: float


Fault = Answer | Delay | Hang | Reset | LateDelivery | Malformed | Html | Drip


@dataclass(slots=True, eq=False)
class Rule:
    """When a fault happens. ``times`` None: until the rule is removed. ``hits`` counts the faults it made so far."""

    fault: Fault
    when: Callable[[Call], bool]
    times: int | None = None
    skip: int = 0  # matching requests that still pass before the first fault
    hits: int = field(default=0, init=False)

    def applies(self, call: Call) -> bool:
        """Whether this request meets the fault; counts it when it does."""
        if (self.times is not None and self.hits >= self.times) or not self.when(call):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force; the first that applies wins. Callable from any thread."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(
        self, fault: Fault, *, method: str | None = None, path: str = "", times: int | None = None, skip: int = 0
    ) -> Rule:
        """Let ``fault`` happen to requests of ``method`` (None: any) whose path holds the regular expression ``path``.

        It happens ``times`` times (None: until it is removed), after the first ``skip`` matching requests passed.
        """
        pattern = re.compile(path)

        def matches(call: Call) -> bool:
            return method in (None, call.method) and pattern.search(call.path) is not None

        return self.add_rule(Rule(fault, matches, times, skip))

    def add_rule(self, rule: Rule) -> Rule:
        """Put a rule with a predicate of one's own in force."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take one rule back; one that is not in force is passed over."""
        with self._lock:
            self._rules = [other for other in self._rules if other is not rule]

    def clear(self) -> None:
        """Take every rule back."""
        with self._lock:
            self._rules = []

    def take(self, call: Call) -> Fault | None:
        """The fault this request meets, or None."""
        with self._lock:
            return next((rule.fault for rule in self._rules if rule.applies(call)), None)
