"""Documents: a file that is one JSON document becomes JSON lines, one for each of its records.

Each line is the pair of a record and of what stands around the records in the document, so that a record may also be read
from there. Lines are counted by records then; the file's own line breaks mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from transforms.fingerprint import LineCounter, TextFacts
from transforms.ingest.fields import FileFaultError

#: bytes; a document is held in memory as a whole
DOCUMENT_LIMIT: Final = 64 << 20


def lay_out(text: Path, target: Path, records: str | None) -> TextFacts:
    """Write the records of a document as lines.

    Parameters
    ----------
    text : Path
        The document in UTF-8.
    target : Path
        Where the lines are written.
    records : str or None
        Key, or dotted path, of the array of records; None where the document is that array, or a single record.

    Raises
    ------
    FileFaultError
        ``unreadable_file`` or ``bad_json``, if there are no records to be had.
    """
    if text.stat().st_size > DOCUMENT_LIMIT:
        raise FileFaultError(
            "unreadable_file", f"a JSON document of more than {DOCUMENT_LIMIT >> 20} MB; use JSON lines"
        )
    try:
        document = json.loads(text.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise FileFaultError("not_utf8", "the document is not valid text in the stated encoding") from None
    except (ValueError, RecursionError) as error:
        raise FileFaultError("bad_json", f"the file is not one JSON document ({error})") from None
    found, around = _found(document, records)
    beside = json.dumps(around, ensure_ascii=True)
    counter = LineCounter()
    with target.open("wb") as out:
        for record in found:
            line = f"[{json.dumps(record, ensure_ascii=True)}, {beside}]\n".encode()
            counter.update(line)
            out.write(line)
    return counter.facts()


def _found(document: Any, records: str | None) -> tuple[list[Any], Any]:
    """The records, and the document without them."""
    if records is None:
        return (document, None) if isinstance(document, list) else ([document], None)
    for path in ([records], records.split(".")):
        node, parent = document, None
        for key in path:
            parent, node = node, node.get(key) if isinstance(node, dict) else None
        if isinstance(node, list) and isinstance(parent, dict):
            parent[path[-1]] = None
            return node, document
    raise FileFaultError("bad_json", f"the document has no array {records!r}")
