"""What the agent and its child say to each other arrives as it was meant, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from tests.loading.test_descriptions import channels

from connmon_agent.core.notices import SendAnswer, SendResult
from connmon_agent.notices.jobs import LONGEST_ANSWER, Job, Notice, decode_answer, decode_job, encode_answer, encode_job
from connmon_agent.settings import ChannelSettings

NOTICE = Notice("digest", "office", outage=7, number=3, from_seq=1, until_seq=9)


@given(channels())
def test_a_job_arrives_as_it_was_meant(channel: ChannelSettings) -> None:
    job = Job(str(Path("var") / "connmon.db"), NOTICE, channel, "site 7")
    line = encode_job(job)
    assert line.count(b"\n") == 1
    assert decode_job(line) == job


def test_a_delivery_arrives_as_it_was_meant() -> None:
    delivery = SendAnswer(SendResult.FAILED, "HTTP 503", 30.0)
    assert decode_answer(encode_answer(delivery)) == delivery


@pytest.mark.parametrize(
    "said", [b"", b"Traceback", b"{}", b'{"result": "lost"}', b'{"result": "sent", "detail": ' + b'"x' * LONGEST_ANSWER]
)
def test_what_is_no_delivery_is_not_taken_for_one(said: bytes) -> None:
    with pytest.raises(ValueError):
        decode_answer(said)
