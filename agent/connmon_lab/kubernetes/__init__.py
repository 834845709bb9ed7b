"""A small Kubernetes API with its controllers, in memory, on real HTTP: for the demo and for tests.

It answers as a kube-apiserver does as far as a restarter of workloads can tell; the same contract tests run against it
and against a real cluster (tests/contract).
"""

from . import manifests
from .access import Access, Attributes, Denial
from .admission import Admission
from .api import Call, Reply
from .controllers import Timing
from .faults import Answer, Delay, Drip, Fault, Faults, Hang, Html, LateDelivery, Malformed, Reset, Rule
from .forwards import Forwards
from .history import Mutation
from .objects import Manifest
from .programs import Program, Programs
from .server import EmbeddedKubernetes
from .statuses import ApiError
from .threads import ThreadedKubernetes
from .versions import NEWEST, OLDEST, Trait, Version
from .workloads import Workloads

__all__ = [
    "NEWEST",
    "OLDEST",
    "Access",
    "Admission",
    "Answer",
    "ApiError",
    "Attributes",
    "Call",
    "Delay",
    "Denial",
    "Drip",
    "EmbeddedKubernetes",
    "Fault",
    "Faults",
    "Forwards",
    "Hang",
    "Html",
    "LateDelivery",
    "Malformed",
    "Manifest",
    "Mutation",
    "Program",
    "Programs",
    "Reply",
    "Reset",
    "Rule",
    "ThreadedKubernetes",
    "Timing",
    "Trait",
    "Version",
    "Workloads",
    "manifests",
]
