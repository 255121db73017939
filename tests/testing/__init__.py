"""Tests of the public laws."""
