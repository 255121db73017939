"""Scores of a reconstruction against a reference: PSNR and SSIM within a region, segmentation by Otsu and Matthews.

PSNR as in the survey (arXiv 2602.14709): within the disc inscribed in the image, of radius min(rows, columns) // 2, the
data range being the maximum of the reference there, nothing clipped. SSIM over the same region with the same range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity

from dipgraph.signatures.errors import InputError

if TYPE_CHECKING:
    import torch

Region = Literal["disc", "all"] | NDArray[np.bool_]
Image = NDArray[np.floating]

SSIM_SIGMA = 1.5
SSIM_WINDOW = 11


def disc(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centre lies within radius ``min(rows, columns) // 2`` of the image's centre."""
    rows, columns = shape
    y = np.arange(rows) - (rows - 1) / 2
    x = np.arange(columns) - (columns - 1) / 2
    inside: NDArray[np.bool_] = np.hypot(*np.meshgrid(y, x, indexing="ij")) <= max(min(rows, columns) // 2, 0.5)
    return inside


def region_mask(region: Region, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a region, ``(rows, columns)``.

    Raises
    ------
    InputError
        If the region is no known word, or a mask of another shape or without a pixel.
    """
    if isinstance(region, str):
        if region == "disc":
            return disc(shape)
        if region == "all":
            return np.ones(shape, dtype=np.bool_)
        raise InputError(f"the score region is {region!r}", where="region", remedy="give 'disc', 'all' or a mask")
    mask = np.asarray(region)
    if mask.shape != tuple(shape) or not mask.any():
        raise InputError(
            f"the score region is a mask of shape {mask.shape} with {np.count_nonzero(mask)} pixels set",
            where="region",
            remedy=f"give a mask of shape {tuple(shape)} with at least one pixel",
        )
    return mask.astype(np.bool_)


def data_range(reference: Image, mask: NDArray[np.bool_]) -> float:
    """Return the maximum of the reference within the mask, the range that PSNR and SSIM refer to."""
    return float(np.max(reference[mask]))


def psnr(image: Image, reference: Image, region: Region = "disc") -> float:
    r"""Peak signal-to-noise ratio within a region [dB].

    .. math:: 10 \log_{10} \frac{(\max_{i \in D} r_i)^2}{\frac{1}{|D|} \sum_{i \in D} (x_i - r_i)^2}

    Parameters
    ----------
    image, reference
        ``(rows, columns)``, in one unit; neither is clipped.
    region
        "disc" (radius min(rows, columns) // 2), "all", or a mask.

    Returns
    -------
    float
        Infinity where the two agree.
    """
    mask = region_mask(region, reference.shape)
    error = np.asarray(image, dtype=np.float64)[mask] - np.asarray(reference, dtype=np.float64)[mask]
    mean_square = float(np.mean(error**2))
    return math.inf if mean_square == 0 else 10.0 * math.log10(data_range(reference, mask) ** 2 / mean_square)


class DevicePsnr:
    """The same PSNR on a device, without waiting for it: the reference and the region are put there once.

    Parameters
    ----------
    reference
        ``(rows, columns)``.
    region
        As for :func:`psnr`.
    device, dtype
        Where the images to be scored are, and their precision.
    """

    def __init__(
        self,
        reference: Image,
        region: Region = "disc",
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> None:
        import torch

        mask = region_mask(region, reference.shape)
        dtype = torch.float32 if dtype is None else dtype
        self._reference = torch.as_tensor(np.asarray(reference, dtype=np.float64), dtype=dtype).to(device)
        self._mask = torch.as_tensor(mask).to(device=device, dtype=dtype)
        self._power = data_range(reference, mask) ** 2 * int(mask.sum())

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return the PSNR [dB] of images ``(..., rows, columns)``, a tensor of the leading shape on their device."""
        import torch

        error = (image.detach() - self._reference) * self._mask
        return 10.0 * torch.log10(self._power / (error * error).sum(dim=(-2, -1)))


def ssim(image: Image, reference: Image, region: Region = "disc") -> float:
    """Mean structural similarity within a region (Wang, Bovik, Sheikh, Simoncelli 2004).

    Gaussian windows of σ = 1.5 pixels (11 × 11), K₁ = 0.01, K₂ = 0.03, population covariances; the map is averaged over
    the region, its data range the maximum of the reference there. Windows at the rim look beyond the region.

    Returns
    -------
    float
        NaN for an image narrower than the window.
    """
    mask = region_mask(region, reference.shape)
    if min(reference.shape) < SSIM_WINDOW:
        return math.nan
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        np.asarray(reference, dtype=np.float64),
        np.asarray(image, dtype=np.float64),
        data_range=data_range(reference, mask),
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return float(np.mean(similarity[mask]))


def otsu(image: Image, region: Region = "all") -> NDArray[np.bool_]:
    """Segment an image at Otsu's threshold (256 bins over the region); the pixels above it.

    References
    ----------
    N. Otsu, *A threshold selection method from gray-level histograms*, IEEE Trans. Syst. Man Cybern. 9 (1979).
    """
    values = np.asarray(image, dtype=np.float64)
    inside = values[region_mask(region, values.shape)]
    if inside.min() == inside.max():
        return np.zeros(values.shape, dtype=np.bool_)
    above: NDArray[np.bool_] = values > threshold_otsu(inside)  # type: ignore[no-untyped-call]
    return above


def matthews(found: NDArray[np.bool_], truth: NDArray[np.bool_], region: Region = "all") -> float:
    r"""Matthews correlation of two segmentations, in [−1, 1].

    .. math:: \frac{TP \cdot TN - FP \cdot FN}{\sqrt{(TP+FP)(TP+FN)(TN+FP)(TN+FN)}}

    0 where a segmentation is constant. The score of the Helsinki Tomography Challenge 2022.
    """
    mask = region_mask(region, truth.shape)
    p, t = np.asarray(found, dtype=bool)[mask], np.asarray(truth, dtype=bool)[mask]
    tp, tn = float(np.sum(p & t)), float(np.sum(~p & ~t))
    fp, fn = float(np.sum(p & ~t)), float(np.sum(~p & t))
    bottom = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / bottom if bottom else 0.0
