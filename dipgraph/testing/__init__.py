"""Laws that operators, proximal maps and denoisers obey, as measurements and assertions; drawn cases to try them on.

Each ``measure_*`` returns what it found as a :class:`LawRecord` (or several) and never raises for a broken law; its
twin ``assert_*`` raises :class:`LawError`. The strategies, which need Hypothesis, are in
``dipgraph.testing.strategies``.
"""

from dipgraph.testing.denoiser_laws import assert_denoiser, measure_denoiser
from dipgraph.testing.map_laws import (
    assert_batched,
    assert_gradient,
    assert_pure,
    measure_batched,
    measure_gradient,
    measure_pure,
)
from dipgraph.testing.operator_laws import assert_adjoint, assert_linear, measure_adjoint, measure_linear
from dipgraph.testing.prox_laws import assert_prox, assert_resolvent, measure_prox, measure_resolvent
from dipgraph.testing.records import LawError, LawRecord

__all__ = [
    "LawError",
    "LawRecord",
    "assert_adjoint",
    "assert_batched",
    "assert_denoiser",
    "assert_gradient",
    "assert_linear",
    "assert_prox",
    "assert_pure",
    "assert_resolvent",
    "measure_adjoint",
    "measure_batched",
    "measure_denoiser",
    "measure_gradient",
    "measure_linear",
    "measure_prox",
    "measure_pure",
    "measure_resolvent",
]
