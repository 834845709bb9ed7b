"""The tables, as migrations. Append only: a migration that was ever released is never changed."""

from __future__ import annotations

import secrets
import sqlite3

from sqlite_utils import Database, Migrations

from .layout import APPLICATION_ID, SCHEMA_VERSION

MIGRATIONS = Migrations("connmon")

_MEMORY = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE chart (
        sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        loaded_wall REAL NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        steady REAL NOT NULL,
        wall REAL NOT NULL,
        boottime REAL NOT NULL,
        boot_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        outage INTEGER,
        body TEXT NOT NULL,
        step TEXT NOT NULL,
        previous TEXT NOT NULL CHECK (length(previous) = 64),
        hash TEXT NOT NULL CHECK (length(hash) = 64)
    ) STRICT
    """,
    """
    CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'events are append-only: no event is ever changed'); END
    """,
    """
    CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'events are append-only: no event is ever deleted'); END
    """,
    # INSERT OR REPLACE would delete without the trigger above.
    """
    CREATE TRIGGER event_is_only_appended BEFORE INSERT ON event
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
    BEGIN SELECT RAISE(ABORT, 'events are append-only: the number must be the next one'); END
    """,
    """
    CREATE TABLE outage (
        id INTEGER PRIMARY KEY,
        started_steady REAL NOT NULL,
        started_wall REAL NOT NULL,
        back_steady REAL,
        back_wall REAL,
        ended_steady REAL,
        ended_wall REAL,
        cause TEXT NOT NULL,
        by_operator INTEGER NOT NULL CHECK (by_operator IN (0, 1)),
        relapses INTEGER NOT NULL CHECK (relapses >= 0),
        restarts INTEGER NOT NULL DEFAULT 0 CHECK (restarts >= 0),
        result TEXT NOT NULL,
        opened_seq INTEGER NOT NULL REFERENCES event (seq),
        closed_seq INTEGER REFERENCES event (seq),
        CHECK ((back_steady IS NULL) = (back_wall IS NULL)),
        CHECK ((ended_steady IS NULL) = (ended_wall IS NULL))
    ) STRICT
    """,
    """
    CREATE TABLE intent (
        token TEXT PRIMARY KEY,
        seq INTEGER NOT NULL REFERENCES event (seq),
        service TEXT NOT NULL,
        outage INTEGER REFERENCES outage (id),
        attempt INTEGER NOT NULL CHECK (attempt >= 0),
        body TEXT NOT NULL,
        outcome TEXT CHECK (outcome IN ('applied', 'refused', 'foreign', 'abandoned')),
        reason TEXT,
        settled_seq INTEGER REFERENCES event (seq),
        CHECK ((outcome IS NULL) = (settled_seq IS NULL)),
        CHECK ((outcome IS NULL) = (reason IS NULL))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_open_intent_per_service ON intent (service) WHERE outcome IS NULL",
    """
    CREATE TABLE timer (
        name TEXT PRIMARY KEY,
        steady REAL NOT NULL,
        wall REAL NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE snapshot (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq INTEGER NOT NULL REFERENCES event (seq),
        world TEXT NOT NULL,
        wall REAL NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE agent (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        pid INTEGER NOT NULL,
        version TEXT NOT NULL,
        started_steady REAL NOT NULL,
        started_wall REAL NOT NULL,
        heartbeat_steady REAL NOT NULL,
        heartbeat_wall REAL NOT NULL,
        stopped_steady REAL,
        stopped_wall REAL,
        CHECK ((stopped_steady IS NULL) = (stopped_wall IS NULL))
    ) STRICT
    """,
    """
    CREATE TABLE latest_round (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        steady REAL NOT NULL,
        wall REAL NOT NULL,
        results TEXT NOT NULL,
        loss REAL NOT NULL CHECK (loss BETWEEN 0 AND 1),
        latency_ms REAL
    ) STRICT
    """,
)


@MIGRATIONS()
def m001_memory(db: Database) -> None:
    """Events, the world they made, and what is left to do."""
    for statement in _MEMORY:
        db.execute(statement)


@MIGRATIONS()
def m002_detail_of_an_outage(db: Database) -> None:
    """The cause became a name; the evidence for it stands beside it. What was a cause before is left as it is."""
    db.execute("ALTER TABLE outage ADD COLUMN detail TEXT NOT NULL DEFAULT ''")


@MIGRATIONS()
def m003_blind_time_of_an_outage(db: Database) -> None:
    """Seconds of an outage in which nobody watched; of an outage recorded before, that was not known."""
    db.execute("ALTER TABLE outage ADD COLUMN blind REAL NOT NULL DEFAULT 0 CHECK (blind >= 0)")


_FORWARDS = (
    # A row each, so that a commit about the link need not write them again.
    """
    CREATE TABLE forward (
        service TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE listen (
        token TEXT PRIMARY KEY,
        seq INTEGER NOT NULL REFERENCES event (seq),
        service TEXT NOT NULL,
        port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
        reason TEXT NOT NULL,
        outcome TEXT CHECK (outcome IN ('applied', 'refused', 'abandoned')),
        answer TEXT,
        settled_seq INTEGER REFERENCES event (seq),
        CHECK ((outcome IS NULL) = (settled_seq IS NULL)),
        CHECK ((outcome IS NULL) = (answer IS NULL))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_open_listen_per_service ON listen (service) WHERE outcome IS NULL",
    """
    CREATE TABLE latest_traffic (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        steady REAL NOT NULL,
        wall REAL NOT NULL,
        traffic TEXT NOT NULL
    ) STRICT
    """,
)


@MIGRATIONS()
def m004_local_ports(db: Database) -> None:
    """The local ports that lead to services, the orders to listen on them, and what went through."""
    for statement in _FORWARDS:
        db.execute(statement)


_ROUNDS = (
    """
    CREATE TABLE round_block (
        id INTEGER PRIMARY KEY,
        first_steady REAL NOT NULL,
        last_steady REAL NOT NULL,
        earliest_wall REAL NOT NULL,
        latest_wall REAL NOT NULL,
        rounds INTEGER NOT NULL CHECK (rounds > 0),
        body BLOB NOT NULL
    ) STRICT
    """,
    # The rounds since the newest block, a row each, so that none is lost when the agent is killed.
    """
    CREATE TABLE round_tail (
        id INTEGER PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT
    """,
)


@MIGRATIONS()
def m005_rounds(db: Database) -> None:
    """Every round of probes, beside the events: what is thrown away cannot be made afterwards."""
    for statement in _ROUNDS:
        db.execute(statement)


_SEGMENTS = (
    """
    CREATE TABLE checkpoint (
        seq INTEGER PRIMARY KEY,
        steady REAL NOT NULL,
        wall REAL NOT NULL,
        earliest_wall REAL NOT NULL,
        latest_wall REAL NOT NULL,
        hash TEXT NOT NULL CHECK (length(hash) = 64),
        body BLOB NOT NULL,
        seal TEXT NOT NULL CHECK (length(seal) = 64)
    ) STRICT
    """,
    # The event that the journal begins after stays, too: it is the end of the chain that the next one is tied to.
    "DROP TRIGGER event_is_never_deleted",
    """
    CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
    WHEN OLD.seq >= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'kept_after'), 0)
    BEGIN SELECT RAISE(ABORT, 'events are append-only: no event of a segment that is kept is ever deleted'); END
    """,
    """
    CREATE TRIGGER journal_begins_at_a_checkpoint BEFORE INSERT ON meta
    WHEN NEW.key = 'kept_after' AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE seq = CAST(NEW.value AS INTEGER))
    BEGIN SELECT RAISE(ABORT, 'the journal begins at a checkpoint'); END
    """,
)


@MIGRATIONS()
def m006_segments(db: Database) -> None:
    """Checkpoints cut the chain of events, so that its oldest segments can be removed."""
    for statement in _SEGMENTS:
        db.execute(statement)


_NOTICES = """
    CREATE TABLE notice (
        number INTEGER PRIMARY KEY,
        outage INTEGER NOT NULL,
        channel TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('digest', 'offline', 'gave-up', 'relapses')),
        part INTEGER NOT NULL CHECK (part = 1 OR (part > 1 AND kind = 'relapses')),
        from_seq INTEGER NOT NULL,
        until_seq INTEGER NOT NULL,
        queued_steady REAL NOT NULL,
        queued_wall REAL NOT NULL,
        due_steady REAL NOT NULL,
        due_wall REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'expired', 'refused')),
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        detail TEXT NOT NULL,
        tried_steady REAL,
        tried_wall REAL,
        settled_steady REAL,
        settled_wall REAL,
        wait_until REAL,
        UNIQUE (outage, channel, kind, part),
        CHECK ((settled_steady IS NULL) = (state IN ('queued', 'sending')))
    ) STRICT
"""


@MIGRATIONS()
def m007_notices(db: Database) -> None:
    """The outbox: messages to people, written with the event that decides on them. It is no part of the chain."""
    db.execute(_NOTICES)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date and name the database, all in one transaction. Raises ``sqlite3.Error``."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        MIGRATIONS.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('store', ?)", (_make_name(),))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _make_name() -> str:
    """40 random bits as 8 characters of base32: two databases never share a restart token."""
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(8))
