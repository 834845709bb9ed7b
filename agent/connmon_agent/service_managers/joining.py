"""The service manager that started this process: what is said to it, and what it keeps for the next one."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass

from ..ports import Announcer, ListenerStore
from .descriptor_store import DescriptorStore, take_descriptors
from .notification import SystemdAnnouncer, take_notification


@dataclass(frozen=True, slots=True)
class Manager:
    """Both ends of one unit."""

    announcer: Announcer
    store: ListenerStore


def join_manager(environment: MutableMapping[str, str], pid: int) -> Manager | None:
    """The manager of the process ``pid``, this one; None: no manager waits for word of it.

    To be called once, before there are threads or children: the manager's variables are taken out of ``environment``,
    and the descriptors that it handed over are this process's from now on.
    """
    inherited = take_descriptors(environment, pid)
    found = take_notification(environment, pid)
    if found is None:
        for _, descriptor in inherited:
            os.close(descriptor)  # no one else would take them out of the store
        return None
    notification, watchdog = found
    return Manager(SystemdAnnouncer(notification, watchdog=watchdog), DescriptorStore(notification, inherited))
