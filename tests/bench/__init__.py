"""Benchmarks: ratios measured within one run and printed as tables. They never decide whether tests pass.

``python -m tests.bench`` runs all of them, ``python -m tests.bench fleet scaling`` some, ``--quick`` small ones. What is
measured runs in processes of its own, so that neither memory nor imports of one benchmark count in another. All files
lie in a temporary folder; tables go to standard output, progress to standard error.
"""
