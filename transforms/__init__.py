"""What the data mean: pure functions from frames to frames, and the SQL.

One room per step of the way of the data: ``ingest``, ``match``, ``summarise``, ``judge``, ``fit``, ``decide``,
``outbox``; beside them the ``registry``, the ``policy``, the ``schemas``, the ``metrology`` and the ``workspace`` layout.
Nothing here reads a clock, the environment or a terminal.
"""
