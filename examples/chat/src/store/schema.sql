-- Version 1 of the chat's database. A later version is a further file of
-- statements in `connect.rs`; this one is never edited once it is released.

CREATE TABLE users (
    user_id    TEXT NOT NULL PRIMARY KEY,
    username   TEXT NOT NULL,
    first_seen REAL NOT NULL,
    last_seen  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rooms (
    name       TEXT    NOT NULL PRIMARY KEY,
    created_by TEXT    NOT NULL,
    is_public  INTEGER NOT NULL CHECK (is_public IN (0, 1)),
    created_at REAL    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX public_rooms ON rooms (name) WHERE is_public = 1;

CREATE TABLE members (
    room    TEXT NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    PRIMARY KEY (room, user_id)
) STRICT, WITHOUT ROWID;

-- One row an entry of a room's history, text or file, so that both have one
-- order. Neither the room nor the user must be known: REST stores for anyone.
-- AUTOINCREMENT keeps the id of a withdrawn message from ever naming another.
CREATE TABLE messages (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    room      TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    username  TEXT NOT NULL,
    text      TEXT, -- NULL where the entry is a file.
    timestamp REAL NOT NULL
) STRICT;

-- SQLite ends each index entry with the row's id, so this one also sorts.
CREATE INDEX messages_of_room ON messages (room);

-- `bytes` comes last: history reads the columns before it without touching
-- the pages that hold the file.
CREATE TABLE files (
    id         TEXT    NOT NULL PRIMARY KEY,
    message_id INTEGER NOT NULL UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
    filename   TEXT    NOT NULL,
    mime_type  TEXT    NOT NULL,
    file_size  INTEGER NOT NULL,
    bytes      BLOB    NOT NULL
) STRICT;

CREATE TABLE private_messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    from_user_id TEXT NOT NULL,
    to_user_id   TEXT NOT NULL,
    text         TEXT NOT NULL,
    timestamp    REAL NOT NULL
) STRICT;
