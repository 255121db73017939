"""Deep image prior methods for inverse problems, written as YAML recipes over an operator algebra."""

__version__ = "0.1.0"
