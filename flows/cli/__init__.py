"""The command line: one program, ``meterwright``, with one module per group of commands."""

from flows.cli.program import program

__all__ = ["program"]
