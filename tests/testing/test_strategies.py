"""The strategies draw what they say."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dipgraph.operators import RayTransform
from dipgraph.testing.strategies import OPERATORS, arrays, dtypes, geometries, grids, shapes


@given(data=st.data())
def test_arrays_have_the_shape_and_dtype_asked_for(data):
    shape, dtype = data.draw(shapes()), data.draw(dtypes())
    array = data.draw(arrays(shape, dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    assert np.isfinite(array).all()


@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_scans_see_their_grid(data):
    grid = data.draw(grids())
    RayTransform(data.draw(geometries(grid)), grid, form="projected")


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_operators_are_of_their_class(data):
    for kind, strategy in OPERATORS.items():
        assert type(data.draw(strategy)) is kind
