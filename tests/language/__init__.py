"""The language against made-up blocks: no block is implemented, and nothing here loads torch."""
