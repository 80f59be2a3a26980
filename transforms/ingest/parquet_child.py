"""Reads Parquet files of others, in a process of its own that may crash, and writes them anew; run by `parquet_copy`.

On standard input stands one JSON array: memory [MB], threads, a folder to spill into, and pairs of paths. For each pair one
line of JSON goes out: null, or what is wrong with the file.
"""

from __future__ import annotations

import json
import sys

import duckdb


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def _main() -> None:
    memory_mb, threads, spill, pairs = json.load(sys.stdin)
    for source, target in pairs:
        plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in source)
        # a connection each: an internal error of DuckDB leaves none of its connections usable
        con = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{memory_mb}MB",
                "threads": threads,
                "temp_directory": spill,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
            con.execute(
                f"COPY (SELECT * FROM read_parquet([{_quoted(plain)}], hive_partitioning=false)) "
                f"TO {_quoted(target)} (FORMAT parquet, COMPRESSION lz4_raw)"
            )
            said = None
        except Exception as error:
            said = (str(error).splitlines() or [type(error).__name__])[0][:300]
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
