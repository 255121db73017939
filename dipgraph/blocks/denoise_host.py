"""Denoisers of other packages, which run on the host: non-local means, wavelets, BM3D."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from dipgraph.blocks.denoise_strength import STRENGTHS, level_on_host
from dipgraph.blocks.extras import require
from dipgraph.blocks.host import Images, each_on_host
from dipgraph.blocks.values import Scalar
from dipgraph.signatures import InputError, block, number, vector, whole, word

SMALLEST_FOR_BM3D = 16
"""Rows and columns [pixels]: the package compares blocks of 8×8 and crashes on images hardly larger than that."""


@block("denoise.nlm", differentiable=False)
class NonLocalMeansDenoiser:
    """Denoising by non-local means: each pixel becomes a mean of pixels with a similar neighbourhood.

    Parameters
    ----------
    patch
        Side of the neighbourhoods compared [pixels].
    distance
        How far away to look for them [pixels].
    strength
        What `sigma` means. ``noise``: the standard deviation σ of the noise; ``prox``: a prox weight γ, with σ = √γ.
    of
        The noisy image, ``(batch, channels, rows, columns)``.
    sigma
        The strength [image units].

    Returns
    -------
    Tensor
        The denoised image, each channel for itself.

    Notes
    -----
    Weights ``exp(−max(d² − 2σ², 0)/h²)``, d² the mean squared difference of two patches and ``h = 0.8·σ``, as
    scikit-image recommends for its fast variant, which runs here. On the host: each call waits for the device and
    copies the image there and back.

    References
    ----------
    Buades, Coll, Morel, *A non-local algorithm for image denoising*, CVPR 2005.
    """

    def __init__(
        self,
        patch: Annotated[int, whole(min=1)] = 5,
        distance: Annotated[int, whole(min=1)] = 6,
        strength: Annotated[str, word(*STRENGTHS)] = "noise",
    ) -> None:
        self.patch, self.distance, self.strength = patch, distance, strength

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Denoise the image."""
        from skimage.restoration import denoise_nl_means

        level = level_on_host(sigma, self.strength)

        def denoised(image: Images) -> Images:
            made: Images = denoise_nl_means(
                image, patch_size=self.patch, patch_distance=self.distance, h=0.8 * level, sigma=level, fast_mode=True
            )
            return made

        return each_on_host(denoised, of)


@block("denoise.wavelet", differentiable=False)
class WaveletDenoiser:
    """Denoising by shrinking wavelet coefficients.

    Parameters
    ----------
    threshold
        ``bayes``: a threshold for each band from its own variance; ``visu``: one for all, which smooths more.
    wavelet
        The wavelet's family: Daubechies 1 (Haar), 2 or 4, or the symlet 4.
    strength
        What `sigma` means. ``noise``: the standard deviation σ of the noise; ``prox``: a prox weight γ, with σ = √γ.
    of
        The noisy image, ``(batch, channels, rows, columns)``.
    sigma
        The strength [image units].

    Returns
    -------
    Tensor
        The denoised image, each channel for itself.

    Notes
    -----
    Soft thresholds, through scikit-image and PyWavelets (extra ``wavelets``). On the host: each call waits for the
    device and copies the image there and back.

    References
    ----------
    Chang, Yu, Vetterli, *Adaptive wavelet thresholding for image denoising and compression*, IEEE TIP 9, 2000. Donoho,
    Johnstone, *Ideal spatial adaptation by wavelet shrinkage*, Biometrika 81, 1994.
    """

    def __init__(
        self,
        threshold: Annotated[str, word("bayes", "visu")] = "bayes",
        wavelet: Annotated[str, word("db1", "db2", "db4", "sym4")] = "db2",
        strength: Annotated[str, word(*STRENGTHS)] = "noise",
    ) -> None:
        require("pywt", "wavelets", "denoise.wavelet")
        self.method = "BayesShrink" if threshold == "bayes" else "VisuShrink"
        self.wavelet, self.strength = wavelet, strength

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Denoise the image."""
        from skimage.restoration import denoise_wavelet

        level = level_on_host(sigma, self.strength)

        def denoised(image: Images) -> Images:
            made: Images = denoise_wavelet(
                image, sigma=level, wavelet=self.wavelet, method=self.method, mode="soft", rescale_sigma=True
            )
            return made

        return each_on_host(denoised, of)


@block("denoise.bm3d", differentiable=False)
class BM3DDenoiser:
    """Denoising by BM3D: similar patches are stacked and shrunk together in a transform domain.

    Parameters
    ----------
    strength
        What `sigma` means. ``noise``: the standard deviation σ of the noise; ``prox``: a prox weight γ, with σ = √γ.
    of
        The noisy image, ``(batch, channels, rows, columns)``.
    sigma
        The strength [image units].

    Returns
    -------
    Tensor
        The denoised image, each channel for itself.

    Notes
    -----
    By its authors' package bm3d (extra ``bm3d``), whose licence allows non-commercial use only; dipgraph does not
    ship it. Images need at least 16 rows and columns. One thread, so that equal calls give equal results. On the
    host: each call waits for the device and copies the image there and back.

    References
    ----------
    Dabov, Foi, Katkovnik, Egiazarian, *Image denoising by sparse 3-D transform-domain collaborative filtering*, IEEE
    TIP 16, 2007.
    """

    def __init__(self, strength: Annotated[str, word(*STRENGTHS)] = "noise") -> None:
        package = require("bm3d", "bm3d", "denoise.bm3d")
        self.bm3d, self.profile = package.bm3d, package.BM3DProfile()
        # With several threads no two calls give the same result.
        self.profile.num_threads = 1
        self.strength = strength

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Denoise the image."""
        rows, columns = of.shape[-2:]
        if min(rows, columns) < SMALLEST_FOR_BM3D:
            raise InputError(
                f"denoise.bm3d needs images of at least {SMALLEST_FOR_BM3D} rows and columns and got {rows}×{columns}",
                remedy="use another denoiser, denoise.nlm say",
            )
        level = level_on_host(sigma, self.strength)

        def denoised(image: Images) -> Images:
            made: Images = self.bm3d(image, sigma_psd=level, profile=self.profile)
            return made

        return each_on_host(denoised, of)
