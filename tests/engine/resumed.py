"""Recipes with every kind of state there is, small: for the law that a resumed run is the run that never ceased."""

from __future__ import annotations

HEAD = "recipe: 1\nnetworks: {f: {network.linear: {}}}\nsteps:\n"
UNET = "recipe: 1\nnetworks: {f: {network.unet: {channels: 4, scales: 2}}}\nsteps:\n"

LONG = (
    UNET
    + """  - z: {input.noise: {std: 0.1}}
  - repeat:
      count: 1
      steps:
        - f:
            minimise:
              count: 9
              optimiser: {adam: {rate: 1e-2}}
              let: [x: f(z)]
              loss: [fidelity.l2: {of: A(x), to: y}, penalty.tv: {of: x, weight: 1e-3}]
track: x
returns: {image: x, weights: f}
"""
)

SPLIT = (
    UNET
    + """  - z: {input.noise: {std: 0.1}}
  - repeat:
      count: 4
      index: k
      carry: {u: zeros(X), mu: zeros(X)}
      steps:
        - f:
            minimise:
              count: 3
              optimiser: {adam: {rate: 1e-2/k}}
              let: [x: f(z)]
              loss: [fidelity.l2: {of: A(x), to: y}, penalty.l2: {of: x - u + mu, weight: 0.02}]
        - x: f(z)
        - u: {denoise.tv: {of: x + mu, sigma: 0.1}}
        - mu: mu + x - u
        - average: {average.ema: {of: x, decay: 0.9}}
        - done, best: {stop.variance: {watch: average, window: 2, patience: 2}}
      until: done
track: average
returns: {image: average, stopped: best, weights: f, mu: mu}
"""
)

JOINT = (
    UNET
    + """  - z: fbp(y)
  - repeat:
      count: 9
      carry: {z: z}
      steps:
        - f, z:
            minimise:
              optimiser: {adam: {rate: {f: 1e-3, z: 1e-2}}}
              let:
                - noisy: {input.perturb: {of: z, law: uniform, amplitude: 0.5*max(abs(constant(z))), samples: 2}}
                - x: mean(f(noisy))
              loss: [fidelity.l2: {of: A(x), to: y}, penalty.l2: {of: x - z, weight: 0.1}]
        - average: {average.ema: {of: x, decay: 0.9, start: first}}
track: average
returns: {image: average, input: z, weights: f}
"""
)

NESTED = (
    UNET
    + """  - z: {input.noise: {std: 0.1}}
  - repeat:
      count: 2
      carry: {x: fbp(y), u: zeros(X), beta: 0.02, mu: 0.02}
      steps:
        - d: {denoise.tv: {of: x, sigma: 0.1}}
        - repeat:
            count: 3
            carry: {x: x, u: u, beta: beta, mu: mu}
            steps:
              - f:
                  minimise:
                    count: 2
                    optimiser: {adam: {rate: 1e-2}}
                    let: [v: f(z)]
                    loss: [fidelity.l2: {of: A(v), to: y}, penalty.l2: {of: v - x + u, weight: mu}]
              - v: f(z)
              - x: (beta*d + mu*(v + u))/(beta + mu)
              - u: u + v - x
              - fits: norm(A(v) - y) < 0.05*norm(y)
              - beta: where(fits, beta + 0.1, beta)
              - mu: where(fits, mu, mu + 0.01)
track: v
returns: {image: v, weights: f, mu: mu}
"""
)

NEWTON = (
    HEAD
    + """  - z: {input.noise: {law: uniform, high: 1.0}}
  - repeat:
      count: 2
      steps:
        - f:
            minimise:
              count: 4
              optimiser: {lbfgs: {history: 3, iterations: 2}}
              let:
                - noisy: {input.perturb: {of: z, amplitude: 0.1, samples: 2}}
                - x: mean(f(noisy))
              loss: [fidelity.l2: {of: A(x), to: y}]
        - a: {average.ema: {of: x, decay: 0.5}}
track: x
returns: {image: x, weights: f, a: a}
"""
)

SUBSETS = """recipe: 1
steps:
  - kept, held: {rays.split: {of: Y, hold: 0.1}}
  - D: adjoint(kept)
  - repeat:
      count: 7
      carry: {x: fbp(y)}
      steps:
        - x:
            minimise:
              count: 2
              optimiser: {sgd: {rate: 0.1, momentum: 0.9}}
              let: ["A_i, y_i": {subset.next: {of: A, data: y, count: 3}}]
              loss: [fidelity.l2: {of: A_i(x), to: y_i, weight: 3}, fidelity.l2: {of: kept(A(x)), to: kept(y)}]
        - r: D(kept(A(x)) - kept(y))
        - s: adjoint(A_i)(y_i)
        - done, best, score, when: {stop.rise: {watch: norm(held(A(x) - y)), keep: x, patience: 100, every: 2}}
        - flat: {stop.flat: {watch: score}}
track: x
returns: {image: x, best: best, score: score, when: when, r: r, s: s, flat: "where(flat, 1, 0)"}
"""

PLAIN = """recipe: 1
steps:
  - repeat:
      count: 3
      carry: {x: zeros(X), t: 1.0}
      steps:
        - repeat:
            count: 4
            index: j
            carry: {x: x, t: t}
            steps:
              - old: x
              - x: {prox.tv: {of: x - adjoint(A)(A(x) - y), weight: 1e-3}}
              - t: (1 + sqrt(1 + 4*t*t))/2
              - x: x + (t - 1)/t*(x - old)
            until: norm(x - old) < 0.12*norm(x)
            every: 3
track: x
returns: {image: x, t: t, old: old}
"""

MONITORS = (
    UNET
    + """  - z: fbp(y)
  - kept, held: {rays.split: {of: Y, hold: 0.1, by: views}}
  - s: {noise.estimate: {of: y}}
  - repeat:
      count: 6
      steps:
        - f:
            minimise:
              count: 2
              optimiser: {adam: {rate: 1e-2}}
              let: [x: f(z), p: A(x)]
              loss: [fidelity.l2: {of: kept(p), to: kept(y)}]
        - a: {stop.ema_variance: {watch: x, decay: 0.6, patience: 1}}
        - b: {stop.discrepancy: {of: p, to: y, sigma: s, keep: x}}
        - w: {residual.whiteness: {of: p - y}}
        - c: {stop.rise: {watch: w, keep: x, patience: 1}}
        - p: A(f(z))
        - probe: {noise.gaussian: {of: zeros(Y), std: 1}}
        - shifted: A(f(fbp(y + 0.1*s*probe)))
        - risk: {sure.generalised: {of: p, perturbed: shifted, probe: probe, to: y, sigma: s, epsilon: 0.1*s}}
        - d, best: {stop.rise: {watch: risk, keep: x, patience: 2}}
      until: d or a and b
track: x
returns: {image: best, a: a, b: b, c: c}
"""
)
PAST = """recipe: 1
steps:
  - repeat:
      count: 8
      index: k
      carry: {x: fbp(y)}
      steps:
        - x: x - 0.1*adjoint(A)(A(x) - y)
        - done, best: {stop.rise: {watch: abs(k - 2), keep: x, patience: 1}}
      until: done
track: x
returns: {image: x, best: best, n: norm(x)}
"""

SELDOM = PAST.replace("count: 8", "count: 12").replace(
    "abs(k - 2), keep: x, patience: 1", "abs(k - 3), keep: x, every: 3"
)
SELDOM = SELDOM.replace("every: 3", "patience: 1, every: 3").replace("until: done", "until: done\n      every: 5")
"""What the stopper said at the last look, the ninth iteration, ends the loop at the tenth."""

RECIPES = {
    "one long minimise": LONG, "a split with a stop": SPLIT, "joint targets under noise": JOINT,
    "nested repeats": NESTED, "quasi-Newton": NEWTON, "subsets and held rays": SUBSETS, "no gradients": PLAIN,
    "every monitor": MONITORS,
    "a stop that is run past": PAST,
    "a score looked at now and then": SELDOM,
}  # fmt: skip
