"""Each shipped recipe once more, in NumPy, from its paper's equations.

A transcription takes the problem, the recipe's parameters and, for each iteration, what the run drew at random; it
returns what the recipe's names hold after the last iteration. Networks are linear and trained by plain gradient steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.recipes.small import (
    DETECTORS,
    PIXELS,
    SIDE,
    VIEWS,
    Array,
    D,
    Linear,
    Small,
    in_ball,
    lengths,
    shares,
    shrunk,
    smoothed,
    tv_gradient,
    tv_prox,
)

Found = Mapping[str, Any]
Drawn = Sequence[Found]
Transcription = Callable[[Small, SimpleNamespace, Drawn], Found]


def misfit(g: Small, x: Array) -> Array:
    """The gradient of F(x) = ½‖Ax − y‖²."""
    gradient: Array = g.A.T @ (g.A @ x - g.y)
    return gradient


def network_input(g: Small, kind: str, drawn: Drawn) -> Array:
    """What the network is fed."""
    back = g.back
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    return {
        "noise": lambda: drawn[-1]["z"],
        "grid": lambda: np.concatenate([rows.ravel(), columns.ravel()]),
        "fbp": lambda: g.fbp,
        "adjoint": lambda: back / back.max(),
        "prior": lambda: g.prior,
    }[kind]()


class Average:
    """The running average from zero, with bias correction."""

    def __init__(self, decay: float) -> None:
        self.decay, self.sum, self.count = decay, np.zeros(PIXELS), 0

    def __call__(self, x: Array) -> Array:
        self.count += 1
        self.sum = self.decay * self.sum + (1 - self.decay) * x
        return self.sum / (1 - self.decay**self.count)


class Held:
    """The running average, and the one that explains the rays held out best; the last, if that is the first."""

    def __init__(self, g: Small, p: SimpleNamespace, drawn: Drawn) -> None:
        self.whole, self.held = g, drawn[-1]["held_out"]
        self.fit = g.without(self.held)
        self.average = Average(p.decay)
        self.means: list[Array] = []

    def __call__(self, x: Array) -> None:
        self.means.append(self.average(x))

    def found(self, **others: Any) -> Found:
        """What the names hold, `average`, `best` and `score` among them."""
        misses = [np.linalg.norm(self.held * (self.whole.A @ mean - self.whole.y)) for mean in self.means]
        best = int(np.argmin(misses)) or -1
        return {**others, "average": self.means[-1], "best": self.means[best], "score": misses[-1]}


# --- with a network ---------------------------------------------------------------------------------------------------


def vanilla(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held = Held(g, p, drawn)
    z = network_input(held.fit, p.input, drawn)
    f = Linear(z)
    for _ in range(p.gradient_steps):
        x = f(z)
        f.descend(misfit(held.fit, x), z, p.rate)
        held(x)
    return held.found(x=x)


def tv(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held, z = Held(g, p, drawn), drawn[-1]["z"]
    f = Linear(z)
    for _ in range(p.gradient_steps):
        x = f(z)
        f.descend(misfit(held.fit, x) + p.alpha * tv_gradient(x, p.kind), z, p.rate)
        held(x)
    return held.found(x=x)


def geometric(first: float, last: float, k: int, count: int) -> float:
    """From `first` at k = 1 to `last` at k = count, by equal factors."""
    return float(np.geomspace(first, last, count)[k - 1])


def half_quadratic(g: Small, p: SimpleNamespace, drawn: Drawn, towards: Callable[[Array, float], Array]) -> Found:
    """Network and image in turn, u being drawn `towards` what the strength of the iteration makes of x."""
    held, z, u = Held(g, p, drawn), drawn[-1]["z"], np.zeros(PIXELS)
    f = Linear(z)
    for k in range(1, p.outer + 1):
        alpha = geometric(p.alpha_1, p.alpha_K, k, p.outer)
        for _ in range(p.inner):
            f.descend(misfit(held.fit, f(z)) + p.lam / alpha * (f(z) - u), z, p.rate)
        x = f(z)
        u = towards(x, alpha)
        held(x)
    return held.found(x=x, u=u)


def tv_hqs(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    return half_quadratic(g, p, drawn, tv_prox)


def wtv_admm(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    z, u, lam = drawn[-1]["z"], np.zeros(2 * PIXELS), np.zeros(2 * PIXELS)
    f, held = Linear(z), Held(g, p, drawn)
    for _ in range(p.outer):
        for _ in range(p.inner):
            x = f(z)
            f.descend(misfit(held.fit, x) + p.gamma * D.T @ (D @ x - u + lam / p.gamma), z, p.rate)
        x = f(z)
        alpha: Array | float = p.alpha
        if p.weights == "adaptive":
            alpha = np.sum((held.fit.A @ x - held.fit.y) ** 2) / PIXELS / np.maximum(lengths(D @ x), p.floor_d)
        u = shrunk(D @ x + lam / p.gamma, alpha / p.gamma)
        lam = lam + p.gamma * (D @ x - u)
        held(x)
    return held.found(x=x, u=u, lam=lam)


def noise_estimate(y: Array, held: Array) -> float:
    """The median of fourth differences along the detector, as a standard deviation, away from the rays held out."""
    fast = np.diff(y.reshape(VIEWS, DETECTORS), n=4, axis=1)
    touched = np.lib.stride_tricks.sliding_window_view(held.reshape(VIEWS, DETECTORS), 5, axis=1).any(-1)
    fast = fast[~touched]
    return float(np.sort(np.abs(fast))[(fast.size - 1) // 2] / (0.6744897501960817 * np.sqrt(70)))


def constrained(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held = Held(g, p, drawn)
    kept, A, y = held.held == 0, held.fit.A, held.fit.y
    z, r, q = drawn[-1]["z"], np.zeros(y.size), np.zeros(y.size)
    f = Linear(z)
    sigma = noise_estimate(held.fit.filled, held.held) if p.noise == "estimated" else g.noise_level
    rho = np.sqrt(p.tau * sigma**2 * kept.sum())
    for _ in range(p.outer):
        for _ in range(p.inner):
            x = f(z)
            f.descend(tv_gradient(x) + p.beta * A.T @ (A @ x - y - r + q), z, p.rate)
        x = f(z)
        e = A @ x - y
        r = in_ball(e + q, rho)
        q = q + p.ascent * (e - r)
        held(x)
    return held.found(x=x, r=r[kept], q=q[kept], rho=rho)


def red_apg(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    z, u, t = drawn[-1]["z"], np.zeros(PIXELS), [1.0]
    f, xs, held = Linear(z), [np.zeros(PIXELS)], Held(g, p, drawn)
    for k in range(1, p.outer + 1):
        for _ in range(p.inner):
            f.descend(misfit(held.fit, f(z)) + p.lam * p.L * (f(z) - u), z, p.rate)
        xs.append(f(z))
        t.append((1 + np.sqrt(1 + 4 * t[k - 1] ** 2)) / 2)
        v = xs[k] + (t[k - 1] - 1) / t[k] * (xs[k] - xs[k - 1])
        u = smoothed(v, p.sigma) / p.L + (1 - 1 / p.L) * v
        held(xs[k])
    return held.found(x=xs[-1], v=v, u=u, t=t[-1])


def deep_red(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held = Held(g, p, drawn)
    z, x, u = drawn[-1]["z"], held.fit.fbp, np.zeros(PIXELS)
    f = Linear(z)
    for i in range(p.outer * p.every):
        if i % p.every == 0:
            d = smoothed(x, p.sigma)
        for _ in range(p.inner):
            f.descend(misfit(held.fit, f(z)) + p.mu * (f(z) - x + u), z, p.rate)
        v = f(z)
        x = (p.beta * d + p.mu * (v + u)) / (p.beta + p.mu)
        u = u + v - x
        if (i + 1) % p.every == 0:
            held(v)
    return held.found(v=v, x=x, u=u)


def hqs_denoiser(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    return half_quadratic(g, p, drawn, lambda x, alpha: smoothed(x, alpha if p.strength == "noise" else np.sqrt(alpha)))


def admm_denoiser(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held = Held(g, p, drawn)
    z = network_input(held.fit, p.input, drawn)
    u, mu = np.zeros(PIXELS), np.zeros(PIXELS)
    f = Linear(z)
    for _ in range(p.outer):
        for _ in range(p.inner):
            f.descend(misfit(held.fit, f(z)) + p.beta * (f(z) - u + mu), z, p.rate)
        x = f(z)
        u = smoothed(x + mu, p.sigma)
        mu = mu + x - u
        held(x)
    return held.found(x=x, u=u, mu=mu)


def self_guided(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held = Held(g, p, drawn)
    z = held.fit.fbp
    f = Linear(z)
    for k in range(p.gradient_steps):
        eta = p.spread * np.abs(z).max() * shares(k, p.samples)  # in [0, spread max|z|], a row for each sample
        x = np.mean([f(z + one) for one in eta], axis=0)
        towards_x = misfit(held.fit, x) + p.lam * (x - z)  # of the loss with respect to x, z held
        towards_z = f.W.T @ towards_x - p.lam * (x - z)
        f.descend(towards_x, z + eta.mean(0), p.rate)
        z = z - p.rate_z * towards_z
        held(x)
    return held.found(x=x, z=z)


def aseq(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held = Held(g, p, drawn)
    z = network_input(held.fit, p.start, drawn)
    f = Linear(z)
    for _ in range(p.outer):
        for _ in range(p.inner):
            f.descend(misfit(held.fit, f(z)) + p.lam * (f(z) - z), z, p.rate)
        z = f(z)
        held(z)
    return held.found(z=z)


def subset_sgd(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    held, z = Held(g, p, drawn), drawn[-1]["z"]
    f, A, y = Linear(z), held.fit.A, held.fit.y
    views = np.arange(VIEWS * DETECTORS).reshape(VIEWS, DETECTORS)
    for _ in range(p.passes):
        for i in range(p.subsets):
            rays = views[i :: p.subsets].ravel()
            x = f(z)
            f.descend(p.subsets * A[rays].T @ (A[rays] @ x - y[rays]), z, p.rate)
        held(x)
    return held.found(x=x)


# --- without one ------------------------------------------------------------------------------------------------------


def tv_pdhg(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    step = 1 / np.sqrt(1 + np.linalg.norm(D, 2) ** 2)
    sigma, tau = step * p.balance, step / p.balance
    x, v, dual, q = np.zeros(PIXELS), np.zeros(PIXELS), np.zeros(2 * PIXELS), np.zeros(g.y.size)
    for _ in range(p.iterations):
        q = (q + sigma * (g.A @ v - g.y)) / (1 + sigma)
        dual = dual + sigma * D @ v
        dual = dual / np.maximum(lengths(dual) / p.alpha, 1)
        before, x = x, np.maximum(x - tau * (g.A.T @ q + D.T @ dual), 0)
        v = x + (x - before)
    return {"x": x, "v": v, "p": dual, "q": q}


def fista_tv(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    xs, t, v = [np.zeros(PIXELS)], [1.0], np.zeros(PIXELS)
    for k in range(1, p.iterations + 1):
        xs.append(tv_prox(v - misfit(g, v), p.alpha))
        t.append((1 + np.sqrt(1 + 4 * t[k - 1] ** 2)) / 2)
        v = xs[k] + (t[k - 1] - 1) / t[k] * (xs[k] - xs[k - 1])
    return {"x": xs[-1], "v": v, "t": t[-1]}


def sirt(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    x = np.zeros(PIXELS)
    for _ in range(p.iterations):
        x = x + (g.A.T @ ((g.y - g.A @ x) / g.A.sum(1))) / g.A.sum(0)
    return {"x": x}


def pnp_admm(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    x, u, mu = g.fbp, g.fbp, np.zeros(PIXELS)
    for _ in range(p.outer):
        for _ in range(p.inner):
            x = x - (misfit(g, x) + p.beta * (x - u + mu)) / (1 + p.beta)
        u = smoothed(x + mu, p.sigma)
        mu = mu + x - u
    return {"x": x, "u": u, "mu": mu}


def red(g: Small, p: SimpleNamespace, drawn: Drawn) -> Found:
    x = g.fbp
    for _ in range(p.iterations):
        x = x - (misfit(g, x) + p.lam * (x - smoothed(x, p.sigma))) / (1 + 2 * p.lam)
    return {"x": x}


TRANSCRIPTIONS: Mapping[str, Transcription] = {
    one.__name__: one
    for one in (vanilla, tv, tv_hqs, wtv_admm, constrained, red_apg, deep_red, hqs_denoiser, admm_denoiser, self_guided,
                aseq, subset_sgd, tv_pdhg, fista_tv, sirt, pnp_admm, red)
}  # fmt: skip
