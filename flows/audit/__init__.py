"""The audit: every window of a span for every meter, from the lake, in chunks that are kept and never read twice."""
