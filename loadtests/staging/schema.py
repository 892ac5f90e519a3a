"""The tables of the staging exchange, with those of its laws that a database can hold by itself."""

from __future__ import annotations

import sqlite3

from loadtests.staging.assets import ASSETS
from loadtests.staging.ledger import HOUSE_ACCOUNTS

_SCHEMA_VERSION = 1

_TABLES = """
CREATE TABLE balances (
    account INTEGER NOT NULL,          -- a customer's number, or a house account below 0
    currency TEXT NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (account, currency),
    CHECK (account < 0 OR units >= 0)  -- no customer's balance is ever negative
) STRICT, WITHOUT ROWID;

CREATE TABLE transfers (               -- the ledger: an entry takes from one account what it gives to another
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    from_account INTEGER NOT NULL,
    to_account INTEGER NOT NULL CHECK (to_account <> from_account),
    currency TEXT NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    withdrawal_id INTEGER REFERENCES withdrawals (id)
) STRICT;

CREATE TABLE withdrawals (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    chain TEXT NOT NULL,
    address TEXT NOT NULL,
    memo TEXT NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    fee_units INTEGER NOT NULL CHECK (fee_units >= 0),
    value_cents INTEGER NOT NULL,
    day INTEGER NOT NULL,              -- UTC day since 1970, for the daily limit
    status TEXT NOT NULL CHECK (status IN ('REQUEST', 'MANUAL', 'PEND', 'DONE', 'FAIL')),
    review INTEGER NOT NULL,           -- 1 when it goes through review by hand
    fails INTEGER NOT NULL,            -- 1 when its payment will fail
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    due_ms INTEGER,                    -- when its next step may happen; null once final
    UNIQUE (account, client_id)
) STRICT;
CREATE INDEX withdrawals_by_client_id ON withdrawals (client_id);
CREATE INDEX withdrawals_due ON withdrawals (status, due_ms, id) WHERE due_ms IS NOT NULL;
CREATE INDEX reviews_due ON withdrawals (due_ms, id) WHERE status = 'REQUEST' AND review = 1;

CREATE TRIGGER status_moves_forward BEFORE UPDATE OF status ON withdrawals
WHEN NOT (
    (OLD.status = 'REQUEST' AND NEW.status IN ('MANUAL', 'PEND'))
    OR (OLD.status = 'MANUAL' AND NEW.status = 'PEND')
    OR (OLD.status = 'PEND' AND NEW.status IN ('DONE', 'FAIL'))
)
BEGIN
    SELECT RAISE(ABORT, 'a withdrawal only moves forward');
END;

CREATE TABLE daily_withdrawn (
    account INTEGER NOT NULL,
    day INTEGER NOT NULL,
    cents INTEGER NOT NULL CHECK (cents >= 0),
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    description TEXT NOT NULL,
    external_id TEXT,
    requester_id INTEGER,
    priority TEXT,
    tags TEXT NOT NULL,                -- JSON array
    status TEXT NOT NULL CHECK (status IN ('open', 'pending', 'solved', 'closed')),
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX tickets_by_status ON tickets (status);

CREATE TRIGGER ticket_moves_forward BEFORE UPDATE OF status ON tickets
WHEN instr('open pending solved closed', NEW.status) < instr('open pending solved closed', OLD.status)
BEGIN
    SELECT RAISE(ABORT, 'a ticket only moves forward');
END;

CREATE TABLE comments (
    id INTEGER PRIMARY KEY,
    ticket_id INTEGER NOT NULL REFERENCES tickets (id),
    body TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX comments_by_ticket ON comments (ticket_id);

CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY,
    body_sha256 BLOB NOT NULL,
    ticket_id INTEGER NOT NULL REFERENCES tickets (id),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


def create_schema(db: sqlite3.Connection) -> None:
    """Create the tables and the house accounts unless the file has them; all of it or nothing.

    Raises ValueError when the file holds something else.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            _create(db)
        elif version != _SCHEMA_VERSION:
            raise ValueError("the file is no database of this version of the staging server")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _create(db: sqlite3.Connection) -> None:
    statement = ""
    for line in _TABLES.splitlines(keepends=True):  # executescript would commit by itself
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
    for account in HOUSE_ACCOUNTS.values():
        for currency in ASSETS:
            db.execute("INSERT INTO balances VALUES (?, ?, 0)", (account, currency))
    db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
