"""The log's tables, and the steps from each version of them to the next.

A file's version is SQLite's `user_version`. A step is never changed once released; a new one is added.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from vibe_router.errors import DataError

STEPS = (
    """
    CREATE TABLE runs (id INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL);
    CREATE TABLE decisions (
        id TEXT PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs (id),
        time REAL NOT NULL,
        path TEXT NOT NULL,
        asked_model TEXT NOT NULL,
        stream INTEGER NOT NULL,
        target TEXT,
        reason TEXT,
        p_cloud REAL,
        threshold REAL,
        profile TEXT,
        scorer TEXT,
        held_out INTEGER,
        scored_tokens INTEGER,
        side TEXT,
        outcome TEXT NOT NULL,
        status INTEGER,
        code TEXT,
        faults TEXT,
        score_ms REAL,
        first_byte_ms REAL,
        total_ms REAL,
        input_tokens INTEGER,
        output_tokens INTEGER,
        estimated INTEGER,
        cost REAL
    );
    CREATE INDEX decisions_by_time ON decisions (time);
    CREATE TABLE losses (time REAL NOT NULL, run INTEGER NOT NULL, count INTEGER NOT NULL, reason TEXT NOT NULL,
        ids TEXT NOT NULL);
    """,
    """
    CREATE TABLE feedback (id TEXT PRIMARY KEY, time REAL NOT NULL, better TEXT NOT NULL);
    CREATE TABLE prompts (id TEXT PRIMARY KEY, time REAL NOT NULL, body TEXT NOT NULL);
    """,
    """
    ALTER TABLE decisions ADD COLUMN answer_id TEXT;
    CREATE INDEX decisions_with_answers ON decisions (time) WHERE answer_id IS NOT NULL;
    """,
)
"""Step n leads from version n to version n + 1."""

VERSION = len(STEPS)


def open_log(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Return the log at `path`, brought to this version.

    Raises:
        DataError: no log there, another program's file, made by a newer version, or not readable.
    """
    if not create and not path.is_file():
        raise DataError(f"there is no log at {path}", hint="vibe-router serve writes one; name another with --log")
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made here so that from its first byte only its owner can read it.
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            if not _is_ours(connection, may_be_empty=create):
                raise DataError(
                    f"{path} is no log", hint="another program's file stays as it is; name another with --log"
                )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # What is deleted is overwritten, whatever this SQLite was built to do.
            connection.execute("PRAGMA secure_delete = ON")
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError, ValueError) as error:
        raise DataError(f"the log {path} cannot be opened: {error}", hint="name another file in [log]") from error
    return connection


def _is_ours(connection: sqlite3.Connection, *, may_be_empty: bool) -> bool:
    """Return whether this is a log's file, or one without anything where that `may_be_empty`; nothing is written."""
    # One snapshot of both: another process may be making the log at this moment.
    connection.execute("BEGIN")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    version = _version_of(connection)
    connection.execute("COMMIT")
    return "decisions" in tables if version else may_be_empty and not tables


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the log to this version, each step in a transaction of its own.

    Raises:
        DataError: it is of a newer version.
    """
    while (version := _version_of(connection)) != VERSION:
        if not 0 <= version < VERSION:
            raise DataError(
                f"the log {path} has version {version}, this program knows {VERSION}",
                hint="update vibe-router, or name another file in [log]",
            )
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have done the step while this one waited for its turn.
        if _version_of(connection) == version:
            for statement in STEPS[version].split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
