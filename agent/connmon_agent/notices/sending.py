"""One job done: the message is composed and sent, and whatever goes wrong is an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from ..core.notices import SendAnswer, SendResult
from ..errors import ConnmonError, StoreError
from ..settings import AppriseChannel, CommandChannel, MailChannel, NtfyChannel, WebhookChannel
from ..texts import make_safe
from .jobs import Job
from .messages import Message, make_message
from .outcomes import NotSentError


def deliver(job: Job, *, environment: Mapping[str, str], zone: tzinfo | None = None) -> SendAnswer:
    """Send the notice of ``job``. Never raises. ``zone`` of local times; None: the machine's."""
    try:
        message = make_message(job, environment=environment, zone=zone)
        return SendAnswer(SendResult.SENT, make_safe(_choose(job)(job.channel.via, message)))
    except NotSentError as error:
        return SendAnswer(error.result, make_safe(error.detail), error.retry_after)
    except StoreError as error:
        return SendAnswer(SendResult.FAILED, make_safe(error.message))
    except ConnmonError as error:
        return SendAnswer(SendResult.REFUSED, make_safe(error.message))
    except Exception as error:  # a mistake of ours: a newer version may do better
        return SendAnswer(SendResult.FAILED, make_safe(f"internal error: {type(error).__name__}: {error}"))


def _choose(job: Job) -> Callable[[Any, Message], str]:
    """How this kind of channel sends. Each loads what it alone needs."""
    via = job.channel.via
    if isinstance(via, MailChannel):
        from .mail import send as send_mail  # smtplib and email

        return send_mail
    if isinstance(via, WebhookChannel):
        from .webhook import send as send_webhook  # asyncio, ssl and h11

        return send_webhook
    if isinstance(via, NtfyChannel):
        from .ntfy import send as send_ntfy  # as for a webhook

        return send_ntfy
    if isinstance(via, CommandChannel):
        from .command import send as send_command  # subprocess

        return send_command
    assert isinstance(via, AppriseChannel)
    from .apprise_channel import send as send_by_apprise  # an extra

    return send_by_apprise
