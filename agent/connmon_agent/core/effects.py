"""The effects: what a step wants done. They are intents first: committed, then performed."""

from __future__ import annotations

from msgspec import Struct

from .plan import Kind


class Restart(Struct, frozen=True):
    """Restart one workload by a compare-and-set on its pod template.

    Exactly one precondition guards the patch: ``previous_token`` (the token seen on the template) or, where there was
    none, ``generation`` (which any change of the spec raises). ``uid`` guards against delete and recreate.
    """

    service: str
    kind: Kind
    namespace: str
    workload: str
    token: str
    previous_token: str | None
    generation: int
    uid: str | None
    annotated: bool
    reason: str
    again: bool = False  # True: the same request is sent once more after its outcome had been unknown


LISTEN_TOKEN = "listen/"  # how the token of every order to listen begins, and no other


class Listen(Struct, frozen=True):
    """Listen on ``port`` for a service, on every address of ``bind``, and leave the port that it had before.

    ``token`` names this one decision. A socket dies with its process: after a crash nothing has to be read back.
    """

    service: str
    port: int
    token: str
    bind: tuple[str, ...]
    reason: str


Effect = Restart
