"""The shipped recipes: that they compute what their papers say, and that they run."""
