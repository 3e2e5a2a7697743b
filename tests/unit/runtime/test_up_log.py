"""What a detached system says: a full file makes room at the next start, but not under a system that runs."""

import os
from pathlib import Path

from bobr.runtime.folder import Folder, take
from bobr.runtime.log_files import FILE_BYTES_MAX
from bobr.runtime.system import _open_words


def test_a_full_file_makes_room_when_nothing_runs(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path)
    hold = take(folder)
    words = folder.logs / "up.log"
    words.write_bytes(b"x" * 10)
    os.truncate(words, FILE_BYTES_MAX)
    _open_words(folder, words).close()
    assert [path.name for path in folder.logs.iterdir()] == ["up.log"]
    hold.close()
    _open_words(folder, words).close()
    _open_words(folder, words).close()
    sizes = {path.name: path.stat().st_size for path in folder.logs.iterdir()}
    assert sizes == {"up.log": 0, "up.log.1": FILE_BYTES_MAX}
