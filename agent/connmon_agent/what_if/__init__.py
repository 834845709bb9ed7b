"""What if: the recorded rounds and events decided again under other settings. Pure; what is recorded comes from above.

``recordings`` brings events and rounds into one order, ``followers`` decides the rounds of months quickly,
``hypotheses`` is an agent with other settings, ``clusters`` the services that it restarts, ``looks`` when it looks at
them, ``comparisons`` the answer, ``sweeps`` many of them, and ``rehearsals`` an outage that has not happened.
"""
