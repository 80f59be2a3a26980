"""The command line: one program, ``meterwright``, with one module per group of commands."""

from flows.cli.main import main

__all__ = ["main"]
