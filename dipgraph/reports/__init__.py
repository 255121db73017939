"""Run to report: the run's folder, its tables and figures."""
