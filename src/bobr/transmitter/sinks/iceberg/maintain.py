"""The table's bookkeeping: old snapshots, and files that nothing refers to."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import structlog
from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table.metadata import TableMetadata

from bobr.transmitter.sinks.iceberg.client import IcebergTable
from bobr.transmitter.sinks.iceberg.durable import local_path
from bobr.transmitter.sinks.iceberg.staging import PREFIX, abandoned

LEFTOVER_AGE = timedelta(hours=1)
"""A file that nothing refers to, younger than this, may be one that a commit is about to name."""

log = structlog.get_logger()


def expire_snapshots(table: IcebergTable, before: datetime) -> None:
    """Forget the snapshots that were replaced as the current one before that time.

    What a branch or tag names stays, and for each one that stays the line to the commit of ours that carries its
    positions: who rolls the table back to it takes these back, too. May raise Conflict.
    """
    metadata = table.metadata
    named = {ref.snapshot_id for ref in metadata.refs.values()}
    old = set(replaced_before(metadata, before)) - named
    staying = (snapshot for snapshot in metadata.snapshots if snapshot.snapshot_id not in old)
    lines: set[int] = set()
    for one in staying:
        for snapshot in table.line(one):
            if snapshot.snapshot_id in lines:
                break  # and so is all that it comes from: others may have made thousands
            lines.add(snapshot.snapshot_id)
    if expired := old - lines:
        table.expire(expired)


def replaced_before(metadata: TableMetadata, before: datetime) -> Iterator[int]:
    """Ids of the current snapshot's ancestors whose successor is older than that.

    Its own age does not count: a reader may have begun with it just before it was replaced. A successor is as old
    as the oldest of those that follow it, whatever the clock said when it was made.
    """
    limit = before.timestamp() * 1000
    successor, made = metadata.current_snapshot(), inf
    while successor is not None and successor.parent_snapshot_id is not None:
        made = min(made, successor.timestamp_ms)
        snapshot = metadata.snapshot_by_id(successor.parent_snapshot_id)
        if snapshot is not None and made < limit:
            yield snapshot.snapshot_id
        successor = snapshot


def remove_abandoned(table: IcebergTable) -> None:
    """Remove the data files of writers that ended or gave up, as far as no snapshot refers to them.

    Whoever still may commit holds the lock of his note, but a server may be making a commit for who does not live any
    more. Once the locks are ours and the table is fenced, what was committed before is in it, and nothing is after.
    May raise Conflict.
    """
    folder = local_path(table.metadata.location) / "data"
    notes = list(abandoned(folder))
    try:
        if notes:
            table.refresh()
            table.fence()
            referenced = _data_files(_manifests(table), table.table.io)
        for note in notes:
            _remove(folder.glob(f"*/{PREFIX}{note.writer}-*.parquet"), referenced)
            note.remove()
    finally:
        for note in notes:
            note.leave()


def remove_leftovers(table: IcebergTable, before: datetime, *, data: bool) -> None:
    """Remove files that no snapshot refers to and that were last touched before that time.

    data: look for data files too (only such as `files.py` names; after a power cut, which may have taken their
    writer's note). It reads every manifest of the table, so not each time.
    """
    limit = min(before, datetime.now(UTC) - LEFTOVER_AGE).timestamp()
    table.refresh()  # after the limit: what is committed from here on is younger
    location = local_path(table.metadata.location)
    manifests = _manifests(table)
    _remove(_older(location / "metadata", "*.avro", limit), _metadata_files(table, manifests))
    _remove(_older(location / "metadata", "*.metadata.json", limit), _versions(table))
    if data and (old := list(_older(location / "data", f"*/{PREFIX}*.parquet", limit))):
        _remove(old, _data_files(manifests, table.table.io))


def _manifests(table: IcebergTable) -> list[ManifestFile]:
    found = {}
    for snapshot in table.metadata.snapshots:
        for manifest in snapshot.manifests(table.table.io):
            found[manifest.manifest_path] = manifest
    return list(found.values())


def _metadata_files(table: IcebergTable, manifests: Iterable[ManifestFile]) -> set[str]:
    lists = {snapshot.manifest_list for snapshot in table.metadata.snapshots}
    return lists | {manifest.manifest_path for manifest in manifests}


def _versions(table: IcebergTable) -> set[str]:
    older = {entry.metadata_file for entry in table.metadata.metadata_log}
    return older | {table.table.metadata_location}


def _data_files(manifests: Iterable[ManifestFile], io: FileIO) -> set[str]:
    return {
        entry.data_file.file_path
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)
    }


def _older(folder: Path, pattern: str, limit: float) -> Iterator[Path]:
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another writer removed it
            if path.stat().st_mtime < limit:
                yield path


def _remove(paths: Iterable[Path], referenced: set[str]) -> None:
    kept = set(map(local_path, referenced))
    leftovers = [path for path in paths if path not in kept]
    for path in leftovers:
        path.unlink(missing_ok=True)
    if leftovers:
        log.info("leftover files removed", files=len(leftovers), first=str(leftovers[0]))
