"""What ASTRA is told of a projector on a GPU, looked at without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dipgraph.operators import astra_cuda

from .phantoms import GRID
from .scans import KINDS, scan


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_of_a_fan_is_named_beside_its_geometries(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import astra

    told: list[dict[str, Any]] = []

    def create(settings: dict[str, Any]) -> int:
        told.append(settings)
        return 7

    fake = SimpleNamespace(
        astra_dict=astra.astra_dict, create_proj_geom=astra.create_proj_geom, create_vol_geom=astra.create_vol_geom,
        projector3d=SimpleNamespace(create=create, delete=lambda identifier: None),
    )  # fmt: skip
    monkeypatch.setattr(astra_cuda, "load_astra", lambda: fake)
    astra_cuda.CudaProjector(scan(kind, 12), GRID)
    (settings,) = told
    geometries = {"type": "cuda3d", "ProjectionGeometry": settings["ProjectionGeometry"],
                  "VolumeGeometry": settings["VolumeGeometry"]}  # fmt: skip
    weights = {} if kind.startswith("parallel") else {"ProjectionKernel": "2d_weighting"}
    assert settings == geometries | weights
    assert astra.projector3d.create(settings) > 0  # which refuses a kernel that it does not know
    with pytest.raises(Exception, match="ProjectionKernel"):
        astra.projector3d.create(settings | {"ProjectionKernel": "no such kernel"})
