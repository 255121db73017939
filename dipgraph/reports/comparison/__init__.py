"""`dipgraph compare`: recipes on problems with seeds, a run each in a process and folder of its own; what they gave."""
