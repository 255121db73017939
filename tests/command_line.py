"""The command line, called in the tests' own process."""

from __future__ import annotations

from click.testing import CliRunner

from dipgraph.cli import main


def call(*arguments: str, code: int = 0) -> str:
    """The output of a command that ends with the code; never a traceback."""
    result = CliRunner().invoke(main, list(arguments))
    assert "Traceback" not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output
