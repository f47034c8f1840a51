PRAGMA user_version=1;
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE turn(
        position INTEGER PRIMARY KEY, address TEXT NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
        message_id TEXT NOT NULL, at REAL NOT NULL, message BLOB NOT NULL, events BLOB NOT NULL);
CREATE UNIQUE INDEX turn_once ON turn(address, message_id);
CREATE TABLE snapshot(
        address TEXT PRIMARY KEY, position INTEGER NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
        state BLOB NOT NULL);
CREATE TABLE tell(tell_id INTEGER PRIMARY KEY, address TEXT NOT NULL, message BLOB NOT NULL);
CREATE TABLE reminder(
        address TEXT NOT NULL, name TEXT NOT NULL, due REAL NOT NULL, message BLOB NOT NULL,
        PRIMARY KEY(address, name)) WITHOUT ROWID;
CREATE TABLE outbox(
        outbox_id INTEGER PRIMARY KEY, relay TEXT NOT NULL, address TEXT NOT NULL, body BLOB NOT NULL,
        created_at REAL NOT NULL);
CREATE TABLE record(
        kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(kind, key));
CREATE INDEX record_of_owner ON record(kind, owner);
CREATE TABLE note(
        note_id INTEGER PRIMARY KEY, correlation_id TEXT NOT NULL, at REAL NOT NULL, address TEXT NOT NULL,
        step TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX note_of_chain ON note(correlation_id);
CREATE TABLE claim(name TEXT PRIMARY KEY, holder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE meter(
        name TEXT PRIMARY KEY, value INTEGER NOT NULL, cap INTEGER NOT NULL,
        CONSTRAINT within_cap CHECK(value >= 0 AND value <= cap)) WITHOUT ROWID;
CREATE TABLE dead_letter(
        letter_id INTEGER PRIMARY KEY, at REAL NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL,
        message BLOB NOT NULL);
INSERT INTO meta VALUES('epoch', '3');
INSERT INTO meta VALUES('installation', 'abc');
INSERT INTO turn VALUES(1, 'thing/t1', 1, 1, 'b:1', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(2, 'thing/t2', 1, 1, 'b:1', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(3, 'thing/t3', 1, 1, 'b:1', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(4, 'thing/t0', 1, 1, 'b:1', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(5, 'thing/t1', 2, 1, 'b:2', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(6, 'thing/t2', 2, 1, 'b:2', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(7, 'thing/t3', 2, 1, 'b:2', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(8, 'thing/t0', 2, 1, 'b:2', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(9, 'thing/t1', 3, 1, 'b:3', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(10, 'thing/t2', 3, 1, 'b:3', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(11, 'thing/t3', 3, 1, 'b:3', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(12, 'thing/t0', 3, 1, 'b:3', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(13, 'thing/t1', 4, 1, 'b:4', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(14, 'thing/t2', 4, 1, 'b:4', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(15, 'thing/t3', 4, 1, 'b:4', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(16, 'thing/t0', 4, 1, 'b:4', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(17, 'thing/t1', 5, 1, 'b:5', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(18, 'thing/t2', 5, 1, 'b:5', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(19, 'thing/t3', 5, 1, 'b:5', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(20, 'thing/t0', 5, 1, 'b:5', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(21, 'thing/t1', 6, 1, 'b:6', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(22, 'thing/t2', 6, 1, 'b:6', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(23, 'thing/t3', 6, 1, 'b:6', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(24, 'thing/t0', 6, 1, 'b:6', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(25, 'thing/t1', 7, 1, 'b:7', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(26, 'thing/t2', 7, 1, 'b:7', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(27, 'thing/t3', 7, 1, 'b:7', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(28, 'thing/t0', 7, 1, 'b:7', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(29, 'thing/t1', 8, 1, 'b:8', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(30, 'thing/t2', 8, 1, 'b:8', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(31, 'thing/t3', 8, 1, 'b:8', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(32, 'thing/t0', 8, 1, 'b:8', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(33, 'thing/t1', 9, 1, 'b:9', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(34, 'thing/t2', 9, 1, 'b:9', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(35, 'thing/t3', 9, 1, 'b:9', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(36, 'thing/t0', 9, 1, 'b:9', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(37, 'thing/t1', 10, 1, 'b:10', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(38, 'thing/t2', 10, 1, 'b:10', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(39, 'thing/t3', 10, 1, 'b:10', 1.5, X'6D', X'65');
INSERT INTO turn VALUES(40, 'thing/t0', 10, 1, 'b:10', 1.5, X'6D', X'65');
INSERT INTO snapshot VALUES('thing/t0', 20, 5, 1, X'73');
INSERT INTO tell VALUES(1, 'thing/t1', X'74');
INSERT INTO outbox VALUES(4, 'desk', 'order/1', X'77', 2.5);
INSERT INTO meter VALUES('m', 5, 10);
