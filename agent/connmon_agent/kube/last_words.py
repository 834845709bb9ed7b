"""The last words of a container that crashed: the end of its log, where it left no termination message.

A container's status holds words of its own only where it wrote to /dev/termination-log, or has the policy
FallbackToLogsOnError; few do. ``kubectl logs --previous`` is what an administrator would type next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from .object_fields import is_living, list_statuses, name_of, uid_of
from .reasons import is_ready
from .requests import ApiRequest, Json, list_path

LINES = 5  # of the log's end
BYTES = 2000
_REMEMBERED = 200  # crashes; each is asked for once, whatever the answer


@dataclass(frozen=True, slots=True)
class Crash:
    """One end of one container. ``previous``: it was started again, or is about to be, and its log is the one before.

    ``number`` is how often it had been started before.
    """

    pod: str
    uid: str
    container: str
    number: int
    previous: bool


class LastWords:
    """Asks for them. ``ask`` returns None where the API does not tell; it never raises."""

    def __init__(self, ask: Callable[[ApiRequest], Awaitable[Json | None]]) -> None:
        self._ask = ask
        self._heard: dict[Crash, str] = {}

    async def complete(self, namespace: str, pods: Sequence[Json], is_current: Callable[[Json], bool]) -> list[Json]:
        """The pods, with a termination message for one that crashed without it: of the current template, if any did."""
        crash = next(find_crashes(sorted(pods, key=lambda pod: not is_current(pod))), None)
        if crash is None:
            return list(pods)
        if crash not in self._heard:
            answer = await self._ask(read_log(namespace, crash))
            while len(self._heard) >= _REMEMBERED:
                del self._heard[next(iter(self._heard))]
            self._heard[crash] = "" if answer is None else str(answer.get("text") or "")
        words = self._heard[crash]
        return [_with_words(pod, crash, words) if uid_of(pod) == crash.uid else pod for pod in pods]


def find_crashes(pods: Iterable[Json]) -> Iterator[Crash]:
    """Every container of a living pod that is not ready which ended with an error and left no message."""
    for pod in pods:
        if not is_living(pod) or is_ready(pod):
            continue
        for status in list_statuses(pod):
            ended, previous = _find_end(status)
            if ended is not None and ended.get("exitCode") and not ended.get("message"):
                number = int(status.get("restartCount") or 0)
                yield Crash(name_of(pod), uid_of(pod), str(status.get("name")), number, previous)


def read_log(namespace: str, crash: Crash) -> ApiRequest:
    """The request for the end of the log."""
    path = f"{list_path('api/v1', namespace, 'pods')}/{quote(crash.pod, safe='')}/log"
    query = (("container", crash.container), ("tailLines", str(LINES)), ("limitBytes", str(BYTES)))
    return ApiRequest("GET", path, None, (*query, ("previous", "true")) if crash.previous else query, text=True)


def _find_end(status: Json) -> tuple[Json | None, bool]:
    """How the container ended last, and whether another one runs or waits in its place."""
    ended = (status.get("state") or {}).get("terminated")
    if ended is not None:
        return ended, False
    return (status.get("lastState") or {}).get("terminated"), True


def _with_words(pod: Json, crash: Crash, words: str) -> Json:
    status = dict(pod.get("status") or {})
    for name in ("initContainerStatuses", "containerStatuses"):
        if name in status:
            status[name] = [_tell(one, words) if one.get("name") == crash.container else one for one in status[name]]
    return {**pod, "status": status}


def _tell(status: Json, words: str) -> Json:
    ended, previous = _find_end(status)
    place = "lastState" if previous else "state"
    return {**status, place: {**(status.get(place) or {}), "terminated": {**(ended or {}), "message": words}}}
