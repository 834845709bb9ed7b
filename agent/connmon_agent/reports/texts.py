"""Every text of a report, in each language. A language that lacks one cannot be made: the class wants them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.link.causes import Cause
from ..core.observations import Failure
from ..store.report_reading import BLIND
from .timeline import Why

OTHER = "other"  # stands for a cause that an older agent put in words


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language. Names between braces are filled in; times, numbers and durations come formatted."""

    language: str
    # How numbers and times are written.
    decimal: str
    thousands: str
    date: str  # strftime
    date_and_time: str  # strftime, without the offset
    day_units: tuple[str, str]  # one, several
    months: tuple[str, ...]
    # Headings and labels.
    heading: str
    created: str
    period: str
    to: str
    time_zone: str
    offset_change: str
    more_offset_changes: str
    summary: str
    availability: str
    uptime: str
    degraded: str
    downtime: str
    gaps: str
    monitored: str
    outages: str
    relapses: str
    longest_outage: str
    ordered: str
    none: str
    accounting: str
    by_cause: str
    by_month: str
    cause: str
    side: str
    count: str
    month: str
    total: str
    outage_list: str
    number: str
    start: str
    end: str
    duration: str
    duration_of_gap: str
    evidence: str
    before: str
    no_outages: str
    shown_longest: str
    gap_list: str
    gap_longest: str
    reason: str
    no_gaps: str
    clock_set: str
    proof: str
    first_event: str
    last_event: str
    no_events: str
    # Values.
    ongoing: str
    began_before: str
    ended_after: str
    relapse_count: tuple[str, str]
    gap_within: str
    not_recorded: str
    loss: str
    latency: str
    # What counts as what: one sentence each.
    counts: tuple[str, ...]
    plan_changed: tuple[str, str]
    how_to_verify: tuple[str, ...]
    # Evidence.
    answered: str
    gateway_answered: str
    gateway_silent: str
    recorded_words: str
    failures: Mapping[str, str]
    causes: Mapping[str, str]
    sides: Mapping[str, str]
    whys: Mapping[str, str]


SITE, LINE, UNKNOWN = "site", "line", "undetermined"

# Which side of the router a cause lies on. What a name server, a portal or a part of the targets does may be either's.
SIDES = {
    Cause.NO_CARRIER: SITE,
    Cause.NO_ROUTE: SITE,
    Cause.GATEWAY: SITE,
    Cause.UNREACHABLE: LINE,
}

ENGLISH = Texts(
    language="en",
    decimal=".",
    thousands=",",
    date="%Y-%m-%d",
    date_and_time="%Y-%m-%d %H:%M:%S",
    day_units=("d", "d"),
    months=(
        *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
        *("November", "December"),
    ),
    heading="Internet outage report",
    created="Created",
    period="Period",
    to="to",
    time_zone="Times are local time ({zone}), each with its offset to UTC.",
    offset_change="{time}: the offset to UTC changes from {before} to {after}.",
    more_offset_changes="{count} more changes of the offset follow.",
    summary="Summary",
    availability="Availability",
    uptime="Uptime",
    degraded="of it degraded (slow, lossy or unconfirmed)",
    downtime="Downtime",
    gaps="Monitoring gaps",
    monitored="Monitored share of the period",
    outages="Outages",
    relapses="Relapses",
    longest_outage="Longest outage",
    ordered="Recoveries ordered by an operator (no outages)",
    none="none",
    accounting="How outages are counted",
    by_cause="By cause",
    by_month="By month",
    cause="Cause",
    side="Location",
    count="Number",
    month="Month",
    total="Total",
    outage_list="Outages",
    number="No.",
    start="Start",
    end="End",
    duration="Downtime",
    duration_of_gap="Duration",
    evidence="Evidence",
    before="10 min before",
    no_outages="No outage in this period.",
    shown_longest="The {shown} longest of {all} outages are listed. The other {rest} add up to {time}; each was at "
    "most {most} long. The CSV format lists all.",
    gap_list="Monitoring gaps",
    gap_longest="The {shown} longest of {all} monitoring gaps are listed. The other {rest} add up to {time}. The CSV "
    "format lists all.",
    reason="Reason",
    no_gaps="No monitoring gap in this period.",
    clock_set="{time}: the clock of the monitoring machine was set by {seconds}. Durations are not affected.",
    proof="How to verify this report",
    first_event="First event",
    last_event="Last event",
    no_events="No event was recorded in this period.",
    ongoing="still down",
    began_before="began before the period",
    ended_after="after the period",
    relapse_count=("{count} relapse", "{count} relapses"),
    gap_within="+ {time} gap",
    not_recorded="not recorded",
    loss="loss {loss}",
    latency="median {median}, p95 {p95}",
    counts=(
        "In each round, configured targets on the internet are probed. A round is bad when fewer than {quorum} of the "
        "counted targets answer.",
        "An outage is declared after {fall} bad rounds in a row, or after one where the interface or the default "
        "route is down. It begins with the first of these rounds.",
        "It ends when {rise} rounds in a row are good. If the link fails again before the recovery is complete, this "
        "is a relapse of the same outage, counted from its first bad round; the time in between is uptime.",
        "Rounds are {interval} apart while the link is up, {confirm} while a result is being confirmed, and at most "
        "{offline} during an outage. Times are exact to this interval.",
        "Availability = uptime / (uptime + downtime), rounded down. Degraded time (slow, lossy, or bad rounds that "
        "were not confirmed as an outage) is uptime.",
        "Monitoring gaps are neither uptime nor downtime: the agent was not running, the machine was off or "
        "suspended, or there was no verdict yet.",
        "Recoveries of services after an outage do not count: only the link does.",
        "Durations are measured by a clock that is never adjusted.",
    ),
    plan_changed=(
        "These thresholds changed {count} time in the period; shown are those in force at its end.",
        "These thresholds changed {count} times in the period; shown are those in force at its end.",
    ),
    how_to_verify=(
        "Every event is stored in the state file with a SHA-256 hash that covers all events before it. If an event is "
        "changed or removed, this and all later hashes change.",
        "Keep a copy of the state file connmon.db (name: {store}). On it, `connmon-agent --state-dir DIR replay "
        "--verify` recomputes all hashes and decisions.",
        "Then create this report again from the copy, with --since and --until as below: it must show the same hashes.",
    ),
    answered="{answered} of {asked} targets answered",
    gateway_answered="router answered ({name})",
    gateway_silent="router did not answer ({name})",
    recorded_words="as recorded",
    failures={
        "": "no answer",
        Failure.SILENT: "no answer",
        Failure.REFUSED: "connection refused",
        Failure.UNREACHABLE: "unreachable",
        Failure.WRONG: "unexpected answer",
        Failure.DECLINED: "declined by the server",
        Failure.NXDOMAIN: "name does not exist",
        Failure.SERVFAIL: "name server failure",
        Failure.NAME: "name not resolved",
        Failure.DOWN: "interface down",
        Failure.UNROUTED: "no default route",
        Failure.BROKEN: "probe not possible",
    },
    causes={
        Cause.NO_CARRIER: "Local interface has no link (cable, switch or router power)",
        Cause.NO_ROUTE: "No default route on the monitoring machine",
        Cause.GATEWAY: "Local router does not answer",
        Cause.DNS: "Name resolution (DNS) fails",
        Cause.PORTAL: "A portal or proxy answers in place of the targets",
        Cause.UNREACHABLE: "Internet unreachable; router reachable or not checked",
        Cause.PARTIAL: "Only some of the targets reachable",
        Cause.LOSSY: "Packet loss",
        Cause.SLOW: "High latency",
        Cause.CLUSTER_ONLY: "Kubernetes API unreachable",
        Cause.PROBE_SUSPECT: "One kind of probe fails",
        Cause.NO_PROBE: "No target can be probed",
        BLIND: "Not known: it began in a monitoring gap",
        OTHER: "Other",
    },
    sides={SITE: "site", LINE: "line or provider", UNKNOWN: "not determined"},
    whys={
        Why.NO_RECORD: "no record: not yet started, or no longer kept",
        Why.NOT_RUNNING: "agent not running",
        Why.REBOOTED: "monitoring machine restarted (duration by its clock)",
        Why.SUSPENDED: "monitoring machine or agent suspended",
        Why.NO_VERDICT: "no verdict yet",
    },
)

GERMAN = Texts(
    language="de",
    decimal=",",
    thousands=".",
    date="%d.%m.%Y",
    date_and_time="%d.%m.%Y %H:%M:%S",
    day_units=("Tag", "Tage"),
    months=(
        *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober"),
        *("November", "Dezember"),
    ),
    heading="Störungsbericht Internetanschluss",
    created="Erstellt",
    period="Zeitraum",
    to="bis",
    time_zone="Alle Zeiten sind Ortszeit ({zone}), jeweils mit Abweichung von UTC.",
    offset_change="{time}: Die Abweichung von UTC wechselt von {before} auf {after}.",
    more_offset_changes="{count} weitere Wechsel folgen.",
    summary="Zusammenfassung",
    availability="Verfügbarkeit",
    uptime="Verfügbare Zeit",
    degraded="davon beeinträchtigt (langsam, Paketverluste oder unbestätigt)",
    downtime="Ausfallzeit",
    gaps="Überwachungslücken",
    monitored="Überwachter Anteil des Zeitraums",
    outages="Ausfälle",
    relapses="Rückfälle",
    longest_outage="Längster Ausfall",
    ordered="Manuell ausgelöste Wiederherstellungen (keine Ausfälle)",
    none="keine",
    accounting="Bewertungsgrundlage",
    by_cause="Nach Ursache",
    by_month="Nach Monat",
    cause="Ursache",
    side="Ort",
    count="Anzahl",
    month="Monat",
    total="Gesamt",
    outage_list="Ausfälle",
    number="Nr.",
    start="Beginn",
    end="Ende",
    duration="Ausfallzeit",
    duration_of_gap="Dauer",
    evidence="Messergebnis",
    before="10 min davor",
    no_outages="Kein Ausfall in diesem Zeitraum.",
    shown_longest="Aufgeführt sind die {shown} längsten von {all} Ausfällen. Die übrigen {rest} dauerten zusammen "
    "{time}, jeder höchstens {most}. Das CSV-Format enthält alle.",
    gap_list="Überwachungslücken",
    gap_longest="Aufgeführt sind die {shown} längsten von {all} Überwachungslücken. Die übrigen {rest} dauerten "
    "zusammen {time}. Das CSV-Format enthält alle.",
    reason="Grund",
    no_gaps="Keine Überwachungslücke in diesem Zeitraum.",
    clock_set="{time}: Die Uhr des überwachenden Rechners wurde um {seconds} verstellt. Die Dauern sind davon nicht "
    "betroffen.",
    proof="So lässt sich dieser Bericht prüfen",
    first_event="Erstes Ereignis",
    last_event="Letztes Ereignis",
    no_events="In diesem Zeitraum wurde kein Ereignis aufgezeichnet.",
    ongoing="dauert an",
    began_before="begann vor dem Zeitraum",
    ended_after="nach dem Zeitraum",
    relapse_count=("{count} Rückfall", "{count} Rückfälle"),
    gap_within="+ {time} Lücke",
    not_recorded="nicht aufgezeichnet",
    loss="Verlust {loss}",
    latency="Median {median}, p95 {p95}",
    counts=(
        "In jeder Messrunde werden die konfigurierten Ziele im Internet geprüft. Eine Runde gilt als schlecht, wenn "
        "weniger als {quorum} der gewerteten Ziele antworten.",
        "Ein Ausfall liegt vor nach {fall} schlechten Runden in Folge, oder nach einer, wenn die Schnittstelle oder "
        "die Standardroute ausgefallen ist. Er beginnt mit der ersten dieser Runden.",
        "Er endet, sobald {rise} Runden in Folge gut sind. Fällt die Leitung vor dem Abschluss der Wiederherstellung "
        "erneut aus, ist das ein Rückfall desselben Ausfalls und zählt ab seiner ersten schlechten Runde; die Zeit "
        "dazwischen gilt als verfügbar.",
        "Der Abstand der Runden beträgt {interval} bei verfügbarer Leitung, {confirm} während ein Ergebnis bestätigt "
        "wird, und höchstens {offline} während eines Ausfalls. So genau sind die Zeitangaben.",
        "Verfügbarkeit = verfügbare Zeit / (verfügbare Zeit + Ausfallzeit), abgerundet. Beeinträchtigte Zeit (langsam, "
        "Paketverluste, oder schlechte Runden, die sich nicht als Ausfall bestätigt haben) gilt als verfügbar.",
        "Überwachungslücken zählen weder als verfügbare Zeit noch als Ausfallzeit: Der Agent lief nicht, der Rechner "
        "war aus oder im Ruhezustand, oder es lag noch kein Ergebnis vor.",
        "Die Wiederherstellung von Diensten nach einem Ausfall zählt nicht mit: Bewertet wird nur die Leitung.",
        "Dauern werden mit einer Uhr gemessen, die nie verstellt wird.",
    ),
    plan_changed=(
        "Diese Schwellenwerte wurden im Zeitraum {count}-mal geändert; angegeben sind die am Ende gültigen.",
        "Diese Schwellenwerte wurden im Zeitraum {count}-mal geändert; angegeben sind die am Ende gültigen.",
    ),
    how_to_verify=(
        "Jedes Ereignis steht in der Zustandsdatei mit einem SHA-256-Hashwert, der alle vorherigen Ereignisse "
        "einschließt. Wird ein Ereignis geändert oder entfernt, ändern sich dieser und alle folgenden Hashwerte.",
        "Bewahren Sie eine Kopie der Zustandsdatei connmon.db auf (Name: {store}). Darauf berechnet "
        "`connmon-agent --state-dir VERZEICHNIS replay --verify` alle Hashwerte und Entscheidungen neu.",
        "Erstellen Sie dann diesen Bericht aus der Kopie erneut, mit --since und --until wie unten: Er muss dieselben "
        "Hashwerte zeigen.",
    ),
    answered="{answered} von {asked} Zielen antworteten",
    gateway_answered="Router antwortete ({name})",
    gateway_silent="Router antwortete nicht ({name})",
    recorded_words="Wortlaut der Aufzeichnung",
    failures={
        "": "keine Antwort",
        Failure.SILENT: "keine Antwort",
        Failure.REFUSED: "Verbindung abgelehnt",
        Failure.UNREACHABLE: "nicht erreichbar",
        Failure.WRONG: "unerwartete Antwort",
        Failure.DECLINED: "vom Server abgewiesen",
        Failure.NXDOMAIN: "Name existiert nicht",
        Failure.SERVFAIL: "Fehler des Nameservers",
        Failure.NAME: "Name nicht auflösbar",
        Failure.DOWN: "Schnittstelle ausgefallen",
        Failure.UNROUTED: "keine Standardroute",
        Failure.BROKEN: "Prüfung nicht möglich",
    },
    causes={
        Cause.NO_CARRIER: "Lokale Schnittstelle ohne Verbindung (Kabel, Switch oder Stromversorgung des Routers)",
        Cause.NO_ROUTE: "Keine Standardroute auf dem überwachenden Rechner",
        Cause.GATEWAY: "Lokaler Router antwortet nicht",
        Cause.DNS: "Namensauflösung (DNS) gestört",
        Cause.PORTAL: "Ein Anmeldeportal oder Proxy antwortet anstelle der Ziele",
        Cause.UNREACHABLE: "Internet nicht erreichbar; Router erreichbar oder nicht geprüft",
        Cause.PARTIAL: "Nur ein Teil der Ziele erreichbar",
        Cause.LOSSY: "Paketverluste",
        Cause.SLOW: "Hohe Latenz",
        Cause.CLUSTER_ONLY: "Kubernetes-API nicht erreichbar",
        Cause.PROBE_SUSPECT: "Eine Art von Prüfung schlägt fehl",
        Cause.NO_PROBE: "Kein Ziel kann geprüft werden",
        BLIND: "Nicht bekannt: begann in einer Überwachungslücke",
        OTHER: "Sonstige",
    },
    sides={SITE: "Standort", LINE: "Leitung oder Provider", UNKNOWN: "nicht bestimmt"},
    whys={
        Why.NO_RECORD: "keine Aufzeichnung: noch nicht begonnen oder nicht mehr aufbewahrt",
        Why.NOT_RUNNING: "Agent lief nicht",
        Why.REBOOTED: "Überwachender Rechner neu gestartet (Dauer laut dessen Uhr)",
        Why.SUSPENDED: "Überwachender Rechner oder Agent angehalten",
        Why.NO_VERDICT: "noch kein Ergebnis",
    },
)

LANGUAGES = {texts.language: texts for texts in (ENGLISH, GERMAN)}


def name_cause(texts: Texts, cause: str) -> str:
    """The cause in words; as it was recorded where an older agent put it in its own."""
    return texts.causes.get(cause, cause or texts.causes[OTHER])


def side_of(cause: str) -> str:
    """A key of ``Texts.sides``."""
    return next((side for one, side in SIDES.items() if one == cause), UNKNOWN)
