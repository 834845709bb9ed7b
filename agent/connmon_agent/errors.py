"""Every exception of connmon-agent, and what the command line makes of it.

    ConnmonError                  for the user: what and where, then what to do        exit 1
    ├── ConfigurationError        every mistake of a configuration or chart at once    exit 2
    ├── Disabled                  the configuration says that the agent is not started  exit 2
    ├── StoreError                the database cannot be opened, read or written       exit 1
    │   ├── NothingRecorded       there is no state file yet, or nothing in it         exit 1
    │   └── CommitError           a commit failed: whether it is durable is unknown    exit 1
    ├── AlreadyRunning            another agent holds the state directory              exit 1
    ├── NotRunning                the agent is not running                             exit 3
    ├── Refused                   the running agent refused an order                   exit 1
    ├── ReloadRefused             the running agent refused another configuration      exit 2
    ├── ClusterError              the Kubernetes API refused, failed or kept silent    exit 1
    ├── Divergence                a replay decided otherwise than the journal says     exit 4
    └── InvariantError            a mistake of ours: two of our own parts disagree     exit 1

Code below the command line raises these and logs nothing; ``cli`` translates them, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from .redaction import redact
from .texts import end_sentence, make_printable, shorten


class ConnmonError(Exception):
    """A failure that the user sees as one line, and what to do as another.

    ``message`` says what failed and where, ``hint`` what to do about it, as an order without its period (None: nothing
    can be advised). Both lose the credentials and terminal commands that they quote.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = make_printable(redact(message), lines=True)
        self.hint = None if hint is None else make_printable(redact(hint))
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{end_sentence(self.message)} {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file that a person wrote.

    ``line`` counts from 1 (None: the file as a whole); ``key`` is the dotted path of the setting; ``value`` is the
    offending value as written (None: the key itself is the mistake); ``remedy`` says what to write instead.
    """

    file: str
    line: int | None
    key: str
    message: str
    value: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        what = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        if self.value is not None:
            what += f" (got {self.value})"
        return make_printable(redact(f"{what}; {self.remedy}" if self.remedy else what))


class ConfigurationError(ConnmonError):
    """A configuration or a chart that cannot be used: its mistakes, in the order of their lines.

    ``more`` is how many there are besides those.
    """

    exit_code = 2

    def __init__(self, problems: list[Problem], *, more: int = 0) -> None:
        self.problems = sorted(problems, key=lambda p: (p.file, p.line or 0, p.key))
        rest = [f"and {more} more"] if more else []
        super().__init__("\n".join([*map(str, self.problems), *rest]))


class Disabled(ConnmonError):
    """The configuration says that the agent is not started. Trying again does not help, as with a bad configuration."""

    exit_code = 2


class StoreError(ConnmonError):
    """The database cannot be opened, read or written."""


class NothingRecorded(StoreError):
    """No agent has written to the state file yet."""


class CommitError(StoreError):
    """A commit failed, and whether it is durable is unknown: stop acting, reopen, read again."""


class AlreadyRunning(ConnmonError):
    """Another agent holds the state directory."""


class NotRunning(ConnmonError):
    """The agent is not running."""

    exit_code = 3


class Refused(ConnmonError):
    """The running agent refused an order; the message is its reason."""


class ReloadRefused(ConnmonError):
    """The running agent did not take another configuration over; the message holds the reasons."""

    exit_code = 2


class ClusterError(ConnmonError):
    """A call of the Kubernetes API did not succeed.

    ``kind`` is one of ``unreachable``, ``timeout``, ``unauthorized`` (401), ``forbidden`` (403), ``not-found`` (404),
    ``conflict`` (409, and 422 where a JSON Patch does not apply), ``denied`` (a policy or webhook of admission refused
    it, or such a webhook could not be called; whatever the code), ``invalid`` (other 422 and 400), ``throttled`` (429),
    ``server-error`` (5xx), ``credentials`` (the kubeconfig cannot be used) or ``protocol`` (an answer that is not
    Kubernetes').
    ``delivered`` is False when the request certainly never took effect, None when nobody knows.
    ``retry_after`` is the server's wish in seconds (None: it named none). ``message`` and ``hint`` are cut where they
    are long: they may quote what a server or a plugin wrote.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        delivered: bool | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(shorten(message), hint=None if hint is None else shorten(hint))
        self.kind = kind
        self.delivered = delivered
        self.retry_after = retry_after


class Divergence(ConnmonError):
    """A replay decided otherwise than the journal says."""

    exit_code = 4


class InvariantError(ConnmonError):
    """Two of our own parts disagree; a mistake of ours, never the user's."""
