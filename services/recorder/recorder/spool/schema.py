"""The schema of the spool's SQLite file, version by version."""

# Moments are whole microseconds since 1970 in UTC: they sort, and survive a round trip exactly.
# Each entry brings the schema from one version to the next; entries are added, never changed.
MIGRATIONS = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE recordings (
        id TEXT PRIMARY KEY,
        camera_id TEXT NOT NULL,
        schedule_id TEXT,
        name TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        until INTEGER,
        ended_at INTEGER,
        status TEXT NOT NULL,
        error_code TEXT,
        error_message TEXT,
        frames INTEGER NOT NULL DEFAULT 0,
        size_bytes INTEGER NOT NULL DEFAULT 0,
        registered INTEGER NOT NULL DEFAULT 0,
        reported_status TEXT,
        retry_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX recordings_unregistered ON recordings (started_at) WHERE NOT registered;
    CREATE INDEX recordings_unreported ON recordings (started_at) WHERE reported_status IS NOT status;
    CREATE INDEX recordings_open ON recordings (started_at) WHERE ended_at IS NULL;

    CREATE TABLE segments (
        id TEXT PRIMARY KEY,
        recording_id TEXT NOT NULL REFERENCES recordings (id),
        camera_id TEXT NOT NULL,
        state TEXT NOT NULL,
        path TEXT NOT NULL UNIQUE,
        opened_at INTEGER NOT NULL,
        start_at INTEGER,
        end_at INTEGER,
        size_bytes INTEGER,
        crc32c TEXT,
        sha256 TEXT,
        codec TEXT,
        packets INTEGER,
        clock_error_seconds REAL,
        previous_sha256 TEXT,
        object_name TEXT,
        generation INTEGER,
        upload_session BLOB,
        refusal TEXT,
        retry_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX segments_by_state ON segments (state, start_at);
    CREATE INDEX segments_by_recording ON segments (recording_id);

    -- The head of each camera's hash chain and its newest footage outlive the rows of its segments.
    CREATE TABLE cameras (
        id TEXT PRIMARY KEY,
        last_sha256 TEXT NOT NULL,
        last_footage_at INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE gaps (
        id TEXT PRIMARY KEY,
        camera_id TEXT NOT NULL,
        schedule_id TEXT,
        recording_id TEXT,
        start_at INTEGER NOT NULL,
        end_at INTEGER NOT NULL,
        cause TEXT NOT NULL,
        detail TEXT NOT NULL,
        retry_at INTEGER
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE events (
        id TEXT PRIMARY KEY,
        camera_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        begin_at INTEGER NOT NULL,
        end_at INTEGER,
        usual TEXT NOT NULL,
        seen TEXT NOT NULL,
        reported INTEGER NOT NULL DEFAULT 0,
        retry_at INTEGER
    ) WITHOUT ROWID;
    """,
    """
    -- Who wants a recording's local files kept, whatever the rules of retention say.
    CREATE TABLE holds (
        recording_id TEXT NOT NULL,
        origin TEXT NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (recording_id, origin)
    ) WITHOUT ROWID;
    ALTER TABLE segments ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

    -- What may go, a camera's oldest first: held footage is not even walked past.
    CREATE INDEX segments_to_go ON segments (camera_id, state, start_at) WHERE held = 0;
    CREATE INDEX segments_refused ON segments (refusal) WHERE refusal IS NOT NULL;

    -- Counting half a million rows for every heartbeat would keep the cameras' threads waiting.
    CREATE TABLE tallies (
        camera_id TEXT NOT NULL,
        state TEXT NOT NULL,
        held INTEGER NOT NULL,
        segments INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        PRIMARY KEY (camera_id, state, held)
    ) WITHOUT ROWID;
    INSERT INTO tallies SELECT camera_id, state, held, count(*), coalesce(sum(size_bytes), 0) FROM segments
        GROUP BY camera_id, state, held;
    CREATE TRIGGER segment_counted AFTER INSERT ON segments BEGIN
        INSERT INTO tallies VALUES (NEW.camera_id, NEW.state, NEW.held, 1, coalesce(NEW.size_bytes, 0))
            ON CONFLICT DO UPDATE SET segments = segments + 1, size_bytes = size_bytes + excluded.size_bytes;
    END;
    CREATE TRIGGER segment_uncounted AFTER DELETE ON segments BEGIN
        UPDATE tallies SET segments = segments - 1, size_bytes = size_bytes - coalesce(OLD.size_bytes, 0)
            WHERE camera_id = OLD.camera_id AND state = OLD.state AND held = OLD.held;
    END;
    CREATE TRIGGER segment_recounted AFTER UPDATE OF state, held, size_bytes ON segments BEGIN
        UPDATE tallies SET segments = segments - 1, size_bytes = size_bytes - coalesce(OLD.size_bytes, 0)
            WHERE camera_id = OLD.camera_id AND state = OLD.state AND held = OLD.held;
        INSERT INTO tallies VALUES (NEW.camera_id, NEW.state, NEW.held, 1, coalesce(NEW.size_bytes, 0))
            ON CONFLICT DO UPDATE SET segments = segments + 1, size_bytes = size_bytes + excluded.size_bytes;
    END;
    """,
    """
    -- Since when the control plane has wanted nothing of a recording, each time it was told.
    ALTER TABLE recordings ADD COLUMN refused_since INTEGER;
    """,
    """
    -- Cameras take turns with their uploads: each has its own order, held or not.
    DROP INDEX segments_to_go;
    CREATE INDEX segments_by_camera ON segments (camera_id, state, held, start_at);

    -- Of all that was ever sealed: how fast footage comes in is told from how fast this grows.
    ALTER TABLE cameras ADD COLUMN sealed_bytes INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- The chain of each camera: what was sealed before this version is not part of it.
    ALTER TABLE segments ADD COLUMN sequence INTEGER;
    ALTER TABLE segments ADD COLUMN link_sha256 TEXT;
    ALTER TABLE cameras ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE cameras ADD COLUMN last_segment_id TEXT;
    ALTER TABLE cameras ADD COLUMN last_link_sha256 TEXT;
    CREATE INDEX segments_unproven ON segments (camera_id, sequence)
        WHERE state IN ('sealed', 'uploaded') AND sequence IS NOT NULL;

    -- Whoever lets footage go that was never proven can't forget to count it.
    ALTER TABLE cameras ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;
    CREATE TRIGGER segment_given_up AFTER DELETE ON segments
    WHEN OLD.state IN ('sealed', 'uploaded') AND OLD.sequence IS NOT NULL BEGIN
        UPDATE cameras SET given_up = given_up + 1 WHERE id = OLD.camera_id;
    END;
    CREATE TRIGGER segment_lost AFTER UPDATE OF state ON segments
    WHEN NEW.state = 'lost' AND OLD.state IN ('sealed', 'uploaded') AND OLD.sequence IS NOT NULL BEGIN
        UPDATE cameras SET given_up = given_up + 1 WHERE id = OLD.camera_id;
    END;
    """,
    """
    -- What the control plane asked for by command and was begun here, so that nothing is carried out twice.
    CREATE TABLE commands (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        begun_at INTEGER NOT NULL,
        result TEXT,
        told INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    """,
)
