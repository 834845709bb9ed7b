"""A kettle: a vocabulary and a chart small enough to read at once, with a budget, a timer and every kind of promise."""

from __future__ import annotations

from dataclasses import dataclass, field

from connmon_agent.charts.vocabulary import Action, Guard, Vocabulary


@dataclass
class Kettle:
    powered: bool = True
    degrees: int = 20
    tries: int = 0
    log: list[str] = field(default_factory=list)


def _action(name: str, **traits: str) -> Action[Kettle]:
    return Action(name, name.replace("_", " "), lambda kettle: kettle.log.append(name), **traits)


GUARDS: tuple[Guard[Kettle], ...] = (
    Guard("powered", "there is power", lambda kettle: kettle.powered, frozenset({"power=on"})),
    Guard("tries_left", "not every try is spent", lambda kettle: kettle.tries < 3, group="tries"),
    Guard("tries_spent", "every try is spent", lambda kettle: kettle.tries >= 3, group="tries"),
    Guard("boiling", "the water boils", lambda kettle: kettle.degrees >= 100, group="water"),
    Guard("lukewarm", "the water is warm", lambda kettle: 30 <= kettle.degrees < 100, group="water"),
    Guard("icy", "the water is cold", lambda kettle: kettle.degrees < 30, group="water"),
)
ACTIONS = (
    _action("switch_on", effect="cas-token", charges="tries"),
    _action("switch_on_again", effect="cas-token", repeats="switch_on"),
    _action("whistle", effect="at-least-once"),
    _action("arm_pause"),
    _action("forget_tries"),
    _action("refund_try"),
)
VOCABULARY: Vocabulary[Kettle] = Vocabulary(
    guards={guard.name: guard for guard in GUARDS},
    actions={action.name: action for action in ACTIONS},
    fields=frozenset({"attempt", "limit"}),
    limits=frozenset({"max_tries"}),
)


def kettle_data() -> dict:
    """A chart without a mistake, as plain data, fresh for every caller to spoil."""
    return {
        "chart": "kettle",
        "summary": "A kettle that is switched on until its water boils.",
        "initial": "COLD",
        "states": {
            "COLD": "The water is cold.",
            "HEATING": "It was switched on.",
            "PAUSED": "It did not help; a pause before the next try.",
            "HOT": "The water boils.",
            "BROKEN": "Every try is spent.",
        },
        "events": {
            "looked": "somebody looked at the water",
            "pause_over": "the pause is over",
            "repaired": "somebody repaired it",
        },
        "actions": {
            "switch_on": {"effect": "cas-token", "charges": "tries"},
            "switch_on_again": {"effect": "cas-token", "repeats": "switch_on"},
        },
        "budgets": {"tries": {"limit": "max_tries", "left": "tries_left", "returned_by": ["forget_tries"]}},
        "timers": {"pause": {"armed_by": ["arm_pause"], "event": "pause_over"}},
        "transitions": [
            rule(
                "looked",
                "COLD",
                "HEATING",
                conditions=["powered", "tries_left"],
                after=["switch_on"],
                reason="try {attempt} of {limit}",
            ),
            rule("looked", "COLD", "BROKEN", conditions=["powered"], unless=["tries_left"]),
            rule("looked", "HEATING", "HOT", conditions=["boiling"]),
            rule("looked", "HEATING", "HEATING", conditions=["lukewarm"], after=["switch_on_again"]),
            rule("looked", "HEATING", "PAUSED", conditions=["icy"], after=["arm_pause"]),
            rule("pause_over", "PAUSED", "COLD"),
            rule("looked", "HOT", "COLD", unless=["boiling"], after=["forget_tries"]),
            rule("repaired", ["BROKEN", "PAUSED"], "COLD", after=["forget_tries"]),
        ],
        "properties": [
            {"reach": {"from": "*", "to": "HOT"}},
            {"only_into": {"action": "switch_on", "dest": "HEATING"}},
            {"requires": {"action": "switch_on", "implies": "power=on"}},
            {"bounded": {"action": "switch_on", "budget": "tries"}},
        ],
    }


def rule(trigger: str, source: str | list[str], dest: str, **more: object) -> dict:
    """One transition as plain data, with a reason of its own where none is given."""
    return {"trigger": trigger, "source": source, "dest": dest, "reason": f"{trigger} leads to {dest}", **more}
