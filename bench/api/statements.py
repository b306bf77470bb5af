"""The bare server's statements: each finds who calls and does what is asked, in one round trip."""

_CALLER = """
    caller AS (
        SELECT client.id, client.name, client.site_id
        FROM client_tokens AS token JOIN clients AS client ON client.id = token.client_id
        WHERE token.token_sha256 = $1 AND client.is_active
          AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
    )
"""

TOKEN = f"WITH {_CALLER} SELECT id FROM caller"  # noqa: S608 - ours

_CAMERA = """
    json_build_object(
        'id', camera.id, 'name', camera.name, 'ip_address', camera.ip_address,
        'rtsp_url',
        concat('rtsp://', camera.username, ':s3cret@', camera.ip_address, ':', camera.port, camera.rtsp_path),
        'rtsp_url_sub', NULL, 'camera_type', camera.camera_type, 'location', camera.location,
        'record_quality', camera.record_quality
    )
"""
_SCHEDULE = f"""
    json_build_object(
        'id', schedule.id, 'name', schedule.name, 'schedule_type', schedule.schedule_type,
        'start_time', schedule.start_time, 'end_time', schedule.end_time, 'start_date', schedule.start_date,
        'end_date', schedule.end_date, 'days_of_week', schedule.days_of_week, 'is_active', schedule.is_active,
        'camera', {_CAMERA}, 'timezone', site.timezone, 'updated_at', schedule.updated_at,
        'segment_seconds', schedule.segment_seconds
    )
"""
_ASSIGNED = """
    client_cameras AS assigned
    JOIN cameras AS camera
      ON camera.id = assigned.camera_id AND camera.is_active AND camera.recording_mode = 'local_client'
    JOIN sites AS site ON site.id = camera.site_id
    JOIN schedules AS schedule ON schedule.camera_id = camera.id AND schedule.is_active
    WHERE assigned.client_id = caller.id
"""

SCHEDULES = f"""
    WITH {_CALLER}
    SELECT caller.id, (
        SELECT coalesce(json_agg({_SCHEDULE} ORDER BY schedule.created_at DESC, schedule.id DESC), '[]')
        FROM {_ASSIGNED}
    )::text AS document
    FROM caller
"""  # noqa: S608 - ours

CONFIG = f"""
    WITH {_CALLER}
    SELECT caller.id, (
        SELECT json_build_object(
            'client_id', caller.id, 'client_name', caller.name, 'timezone', min(site.timezone),
            'cameras', json_agg({_CAMERA} ORDER BY camera.created_at DESC, camera.id DESC),
            'schedules', json_agg({_SCHEDULE} ORDER BY schedule.created_at DESC, schedule.id DESC)
        ) FROM {_ASSIGNED}
    )::text AS document
    FROM caller
"""  # noqa: S608 - ours

HEARTBEAT = f"""
    WITH {_CALLER}
    UPDATE client_contacts AS contact SET
        last_contact_at = now(), last_heartbeat_at = now(), address = $2,
        active_recordings = ($3::jsonb->>'active_recordings')::int, heartbeat = $3::jsonb
    FROM caller WHERE contact.client_id = caller.id
    RETURNING contact.client_id
"""  # noqa: S608 - ours

REGISTER = f"""
    WITH {_CALLER}
    INSERT INTO recordings (id, client_id, camera_id, schedule_id, name, status, started_at)
    SELECT coalesce($2::text::uuid, gen_random_uuid()), caller.id, camera.id, schedule.id, coalesce($4, camera.name),
           'scheduled', now()
    FROM caller
    JOIN client_cameras AS assigned ON assigned.client_id = caller.id AND assigned.camera_id = $3::text::uuid
    JOIN cameras AS camera
      ON camera.id = assigned.camera_id AND camera.is_active AND camera.recording_mode = 'local_client'
    LEFT JOIN schedules AS schedule ON schedule.id = $5::text::uuid AND schedule.camera_id = camera.id
    RETURNING id
"""  # noqa: S608 - ours

STATUS = f"""
    WITH {_CALLER}
    UPDATE recordings AS recording SET
        status = $3, progress = greatest(progress, $4), frames_recorded = greatest(frames_recorded, $5),
        file_size = greatest(file_size, $6), updated_at = now()
    FROM caller WHERE recording.client_id = caller.id AND recording.id = $2::text::uuid
    RETURNING recording.id
"""  # noqa: S608 - ours

OFFER = f"""
    WITH {_CALLER}
    INSERT INTO segments (
        camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256,
        previous_sha256, codec, packets, clock_error_seconds, object_name, chain_id, sequence, link_sha256
    )
    SELECT recording.camera_id, "start", segment.id, "end", caller.id, recording.id, 'offered', size_bytes, crc32c,
           sha256, previous_sha256, codec, packets, clock_error_seconds,
           'cameras/' || recording.camera_id || '/' || recording.id || '/' || segment.id || '.mp4',
           chain_id, sequence, link_sha256
    FROM caller, json_to_recordset($2::json->'segments') AS segment (
        id uuid, recording_id uuid, "start" timestamptz, "end" timestamptz, size_bytes bigint, crc32c text, sha256 text,
        previous_sha256 text, codec text, packets bigint, clock_error_seconds float8, chain_id uuid, sequence bigint,
        link_sha256 text
    )
    JOIN recordings AS recording ON recording.id = segment.recording_id
    WHERE recording.client_id = caller.id
    ON CONFLICT (camera_id, started_at, id) DO UPDATE SET state = segments.state
    RETURNING id, object_name
"""  # noqa: S608 - ours
