"""Hypothesis strategies for the core's values: whatever can be remembered."""

from __future__ import annotations

from hypothesis import strategies as st

from connmon_agent.core.effects import Restart
from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    EvidenceChanged,
    Inspected,
    Order,
    Ordered,
    Outcome,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from connmon_agent.core.observations import (
    Evidence,
    Observation,
    ProbeResult,
    Pull,
    Reach,
    RegistryAnswer,
    Rollout,
    Unobserved,
)
from connmon_agent.core.plan import Kind, LinkPlan, Plan, RecoveryPlan, ServicePlan, When
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Link, LinkState, Outage, Service, ServiceState, World

words = st.text(max_size=12)
names = st.sampled_from(["frontend", "grafana", "jaeger", "größe", 'a "quoted" name', "api-gateway-simple"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(min_value=0, max_value=2**62)
flags = st.booleans()
timestamps = st.builds(Timestamp, numbers, numbers)

service_plans = st.builds(ServicePlan, names, st.sampled_from(Kind), names, words, st.tuples(names), counts)
plans = st.builds(
    Plan,
    link=st.builds(LinkPlan, quorum=counts, hold=numbers),
    recovery=st.builds(RecoveryPlan, act=flags, when=st.sampled_from(When), backoff_max=numbers),
    services=st.lists(service_plans, max_size=2).map(tuple),
)
intents = st.builds(
    Intent,
    token=words,
    previous_token=st.none() | words,
    generation=counts,
    uid=st.none() | words,
    annotated=flags,
    made=timestamps,
    in_doubt=flags,
)
services = st.builds(
    Service,
    name=names,
    state=st.sampled_from(ServiceState),
    since=timestamps,
    reason=words,
    attempts=counts,
    intent=st.none() | intents,
    token=st.none() | words,
    restarted=st.none() | timestamps,
    deadline=st.none() | numbers,
    next=st.none() | timestamps,
    done=st.none() | counts,
)
outages = st.builds(
    Outage,
    id=counts,
    started=timestamps,
    cause=words,
    by_operator=flags,
    services=st.none() | st.lists(names).map(tuple),
    back=st.none() | timestamps,
    ended=st.none() | timestamps,
    relapses=counts,
)
worlds = st.builds(
    World,
    store=words,
    plan=plans,
    charts=st.dictionaries(names, words, max_size=2),
    link=st.builds(
        Link, state=st.sampled_from(LinkState), since=timestamps, reason=words, good=counts, confirmed=flags
    ),
    outage=st.none() | outages,
    services=st.dictionaries(names, services, max_size=3),
    timers=st.dictionaries(names, timestamps, max_size=3),
    paused=flags,
    tokens=counts,
    outages=counts,
)
results = st.builds(ProbeResult, words, words, flags, st.none() | numbers, st.none() | words)
answers = st.builds(RegistryAnswer, st.sampled_from(Reach), words, st.none() | numbers)
pulls = st.lists(st.builds(Pull, words, words, words, st.none() | answers), max_size=2).map(tuple)
observations = st.builds(
    Observation,
    exists=flags,
    uid=st.none() | words,
    generation=counts,
    rollout=st.sampled_from(Rollout),
    token=st.none() | words,
    template=st.none() | words,
    progress=words,
    blocked_by=st.none() | words,
    trouble=st.none() | words,
    pulls=pulls,
)
evidence = st.builds(Evidence, st.none() | flags, st.none() | flags, st.none() | names, st.none() | words)
restarts = st.builds(
    Restart,
    service=names,
    kind=st.sampled_from(Kind),
    namespace=names,
    workload=names,
    token=words,
    previous_token=st.none() | words,
    generation=counts,
    uid=st.none() | words,
    annotated=flags,
    reason=words,
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(AgentStarted, timestamps, counts, words, words),
    st.builds(AgentStopped, timestamps, words),
    st.builds(Configured, timestamps, plans, st.dictionaries(names, words)),
    st.builds(RoundFinished, timestamps, st.lists(results, max_size=3).map(tuple)),
    st.builds(Inspected, timestamps, names, observations | st.builds(Unobserved, words, words, st.none() | numbers)),
    st.builds(RestartAnswered, timestamps, names, words, st.sampled_from(Outcome), words, st.none() | words),
    st.builds(EvidenceChanged, timestamps, evidence),
    st.builds(TimerDue, timestamps, words),
    st.builds(Ordered, timestamps, st.sampled_from(Order), st.lists(names).map(tuple), words),
)
