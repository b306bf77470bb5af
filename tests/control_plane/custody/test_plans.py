"""What reads a camera's chain reads the chain, not all that the camera ever recorded."""

from typing import Any

from sqlalchemy import event

from control_plane.custody.exports import prepare_export
from control_plane.custody.rows import CameraRows
from control_plane.events import COMMAND_LINE
from control_plane.services import Services
from tests.control_plane.custody.chained import MINUTE, START, Scene, scene


async def plans(one: Scene, asked: list[tuple[str, Any]]) -> list[str]:
    """How the database would find the segments of each statement if there were many."""
    found = []
    async with one.services.engine.connect() as connection:
        for other in ("seqscan", "bitmapscan"):
            await connection.exec_driver_sql(f"SET enable_{other} = off")
        for statement, parameters in list(asked):
            if "FROM segments" in statement:
                plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                found.append("\n".join(plan.scalars()))
        await connection.rollback()
    return found


async def test_an_export_and_the_begin_of_a_chain_are_found_by_the_chain(services: Services) -> None:
    one = await scene(services)
    await one.sealed(5)
    await one.told()
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(services.engine.sync_engine, "before_cursor_execute", note)
    await prepare_export(services, one.camera_id, START, START + 10 * MINUTE, COMMAND_LINE, START)
    of_interval, of_chain = await plans(one, asked)
    assert "started_at < " in of_interval
    assert "camera_id_chain_id_sequence_idx" in of_chain
    asked.clear()
    await CameraRows(services.sessions, one.camera_id).begin_of_chains(one.client_id)
    (of_begin,) = await plans(one, asked)
    assert "camera_id_chain_id_sequence_idx" in of_begin
