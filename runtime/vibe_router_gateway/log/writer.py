"""Writes the log from a thread of its own, so that no request waits for the disk; counts and names what it loses."""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
import time
from pathlib import Path

from vibe_router_gateway.log.entry import COLUMNS, Entry
from vibe_router_gateway.log.schema import open_log

_LOGGER = logging.getLogger("vibe_router")
_MOST_WAITING = 20_000
"""Rows that may wait for a slow disk; about 20 MB."""
_MOST_NAMES = 10_000
_BATCH = 500
_PAUSE_S = 0.02
"""Rows that end within this time share one transaction: one a request would cost the requests' processor time."""
_INSERT = f"INSERT OR REPLACE INTO decisions (run, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})"

_INSERT_PROMPT = "INSERT OR REPLACE INTO prompts VALUES (?, ?, ?)"
_MOST_TEXT = 64 * 2**20
"""Characters of requests that may wait for a slow disk; a single one has up to `limits.body_bytes`."""

_LARGEST = 2**63 - 1
"""SQLite's integers have 64 bits."""

Statement = tuple[str, tuple[object, ...], str]
"""SQL, its values and the id of the request that it belongs to, "" where it deletes old rows."""


class LogWriter:
    """An open log; `add` and `feedback` return at once. Made by the server, closed at its end."""

    def __init__(self, path: Path) -> None:
        """Open the log.

        Raises:
            DataError: as `open_log`.
        """
        self.path = path
        self._connection = open_log(path, create=True)
        self._waiting: queue.Queue[Statement | threading.Event | None] = queue.Queue(_MOST_WAITING)
        self._lost: list[str] = []
        self._lost_count = 0
        self._noted = 0
        self._text_waiting = 0
        self._reason = ""
        self._lock = threading.Lock()
        cursor = self._connection.execute("INSERT INTO runs (started) VALUES (?)", (time.time(),))
        self._run = cursor.lastrowid or 0
        self._thread = threading.Thread(target=self._work, name="vibe-router-log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many rows could not be written since the start."""
        return self._lost_count

    def add(self, entry: Entry) -> None:
        """Write the entry soon; one with the same id is replaced."""
        self._put((_INSERT, (self._run, *entry.row()), entry.id))

    def add_prompt(self, request_id: str, body: bytes) -> None:
        """Write what was asked; only called where the user asked for it."""
        text = body.decode("utf-8", "replace")
        statement = (_INSERT_PROMPT, (request_id, time.time(), text), request_id)
        with self._lock:
            self._text_waiting += len(text)
            full = max(len(text), _MOST_TEXT) < self._text_waiting
        if full:
            self._lose([statement], "the disk is too slow")
        else:
            self._put(statement)

    def add_feedback(self, request_id: str, better: str) -> None:
        """Write which side would have been better."""
        values = (request_id, time.time(), better)
        self._put(("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)", values, request_id))

    def purge(self, *, keep_days: float, keep_prompts_days: float) -> None:
        """Delete rows that are older than allowed, soon."""
        now = time.time()
        for table, days in (("prompts", keep_prompts_days), ("decisions", keep_days), ("feedback", keep_days)):
            self._put((f"DELETE FROM {table} WHERE time < ?", (now - days * 86400,), ""))

    def flush(self) -> None:
        """Return when everything that was added before has been written or counted as lost."""
        written = threading.Event()
        self._waiting.put(written)
        written.wait()

    def close(self) -> None:
        """Write what waits, note the orderly end, and close the file."""
        self._waiting.put(None)
        self._thread.join()
        try:
            self._connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (time.time(), self._run))
        except sqlite3.Error as error:
            _LOGGER.warning("the log's end could not be noted: %s", error)
        self._connection.close()

    def _put(self, statement: Statement) -> None:
        sql, values, name = statement
        try:
            self._waiting.put_nowait((sql, tuple(_storable(value) for value in values), name))
        except queue.Full:
            self._lose([statement], "the disk is too slow")

    def _work(self) -> None:
        going = True
        while going:
            first = self._waiting.get()
            if isinstance(first, tuple):
                time.sleep(_PAUSE_S)
            batch, flushed, going = self._collect(first)
            if batch:
                self._write(batch)
            for event in flushed:
                event.set()
        # Once more, for a last note of what was lost.
        self._write([])

    def _collect(
        self, first: Statement | threading.Event | None
    ) -> tuple[list[Statement], list[threading.Event], bool]:
        """Return the statements that wait, whoever waits for them, and whether there will be more."""
        items = [first]
        while len(items) < _BATCH:
            try:
                items.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        batch = [item for item in items if isinstance(item, tuple)]
        return batch, [item for item in items if isinstance(item, threading.Event)], None not in items

    def _write(self, batch: list[Statement]) -> None:
        """Write a batch, and the note of what was lost before it, in one transaction."""
        with self._lock:
            names, count, reason = self._lost, self._lost_count, self._reason
            unnoted = count - self._noted
        deleted = 0
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if unnoted:
                values = (time.time(), self._run, unnoted, reason, json.dumps(names))
                self._connection.execute("INSERT INTO losses VALUES (?, ?, ?, ?, ?)", values)
            for sql, row, _ in batch:
                changed = self._connection.execute(sql, row).rowcount
                deleted += changed if sql.startswith("DELETE") else 0
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - one that ended this thread would lose all later rows
            self._roll_back()
            self._lose(batch, str(error))
            return
        with self._lock:
            self._text_waiting -= _text_in(batch)
            self._noted = count
            if self._lost_count == count:
                self._lost = []
        if deleted:
            self._overwrite()

    def _overwrite(self) -> None:
        """Bring the write-ahead log into the file: it still has the text of what was deleted."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            _LOGGER.info("the log's deleted rows are overwritten later: %s", error)

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has rolled back by itself, as it does on a full disk.
            _LOGGER.debug("nothing to roll back")

    def _lose(self, batch: list[Statement], reason: str) -> None:
        # Without a name it deletes, which is no row, and comes again in an hour.
        names = [name for _, _, name in batch if name]
        with self._lock:
            if names and not self._lost_count:
                _LOGGER.warning("the decision log loses rows: %s", reason)
            self._text_waiting -= _text_in(batch)
            self._lost_count += len(names)
            self._reason = reason
            self._lost += names[: _MOST_NAMES - len(self._lost)]


def _text_in(batch: list[Statement]) -> int:
    return sum(len(str(values[-1])) for sql, values, _ in batch if sql is _INSERT_PROMPT)


def _storable(value: object) -> object:
    """Return what SQLite can store: text with "?" for halves of characters, whole numbers of 64 bits."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int):
        return max(-_LARGEST, min(value, _LARGEST))
    return value
