"""A recipe and a problem make a run: bind, compile, step, and hand back what the recipe returns."""

from __future__ import annotations

import math
import numbers
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dipgraph.data.problem import Problem
from dipgraph.data.scale import saturated_share
from dipgraph.data.scores import matthews, otsu, psnr, ssim
from dipgraph.engine.binding import Bound, bind, check_binding, choose_device
from dipgraph.engine.bounds import check_numbers
from dipgraph.engine.compile import compile_plan
from dipgraph.engine.executor import Executor, Frame
from dipgraph.engine.explain import Reading
from dipgraph.engine.memory import memory_told
from dipgraph.engine.outcome import End, Outcome, conclude
from dipgraph.engine.record import Record
from dipgraph.graph import Plan, build
from dipgraph.language import Program
from dipgraph.signatures.errors import InputError

__all__ = ["Options", "Outcome", "Result", "Run", "Score", "fbp_image"]

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """How to run: none of it is part of the recipe.

    Parameters
    ----------
    device
        ``cpu``, ``cuda`` or ``cuda:1``; CUDA where there is one by default.
    seed
        Seed of every random stream.
    threads
        CPU threads, at most one for each of the machine's cores; torch's own choice by default.
    run_on
        Run every loop to its count, and note where it would have stopped.
    dtype
        Precision of the run.
    stop_at
        End with the iteration in which so many steps are done; the recipe, its schedules too, stays as it is.
    """

    device: str | None = None
    seed: int = 0
    threads: int | None = None
    run_on: bool = False
    dtype: torch.dtype = torch.float32
    stop_at: int | None = None

    def __post_init__(self) -> None:
        """Raise :class:`~dipgraph.signatures.errors.InputError` where one of them cannot be."""
        _check_whole("seed", self.seed, 0)
        if self.threads is not None:
            _check_whole("threads", self.threads, 1, os.cpu_count() or 1, "the number of this machine's cores")
        if self.stop_at is not None:
            _check_whole("stop-at", self.stop_at, 1)
        if not isinstance(self.dtype, torch.dtype) or not self.dtype.is_floating_point:
            raise InputError(f"dtype is {self.dtype!r}", where="dtype", remedy="give torch.float32 or torch.float64")


def _check_whole(name: str, value: object, least: int, most: float = math.inf, what: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not least <= int(value) <= most:
        bounds = f"at least {least}" if most == math.inf else f"from {least} to {most}, {what}"
        raise InputError(f"{name} is {value!r}", where=f"--{name}", remedy=f"give a whole number {bounds}")


@dataclass(frozen=True)
class Score:
    """PSNR [dB] and SSIM of an image, and the Matthews correlation of its segmentation; none without a reference."""

    psnr: float | None = None
    ssim: float | None = None
    matthews: float | None = None


@dataclass
class Result:
    """What a run hands back.

    ``image`` is delivered, in the problem's unit; ``final`` is the tracked image as it stands at the end.
    """

    image: Image
    final: Image
    returns: dict[str, Any]
    end: End
    steps: int
    stopped_at: int | None
    seconds: float
    record: Record
    score: Score
    final_score: Score
    fbp: Image | None
    fbp_score: Score
    device: str
    threads: int
    seed: int
    run_on: bool = False
    saturated: float = 0.0
    networks: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.end.outcome

    @property
    def explanation(self) -> str:
        """In one sentence: where the run ended, why, and from which step the image is."""
        return self.end.explanation

    def best_score(self, reading: Reading) -> float | None:
        """The score of a stopper's best iteration, where it is known and finite."""
        entry = self.record.entries.get(reading.best_step)
        score = math.nan if entry is None else entry.scores.get(reading.label, math.nan)
        return score if math.isfinite(score) else None

    def summary(self) -> dict[str, Any]:
        """The run in numbers, ready for JSON; null where there is no reference."""
        peak = self.record.peak
        return {
            "psnr": self.score.psnr,
            "ssim": self.score.ssim,
            "matthews": self.score.matthews,
            "final_psnr": self.final_score.psnr,
            "peak_psnr": peak[1] if peak else None,
            "peak_iteration": peak[0] if peak else None,
            "stop_iteration": self.stopped_at,
            "iterations": self.steps,
            "fbp_psnr": self.fbp_score.psnr,
            "fbp_ssim": self.fbp_score.ssim,
            "fbp_matthews": self.fbp_score.matthews,
            "seconds": round(self.seconds, 3),
            "device": self.device,
            "threads": self.threads,
            "seed": self.seed,
            "run_on": self.run_on,
            "outcome": self.outcome.name.lower(),
            "explanation": self.explanation,
            "delivered_step": self.end.delivered_step,
            "stoppers": [reading.told() | {"best_score": self.best_score(reading)} for reading in self.end.readings],
            "saturated": self.saturated,
        }


class Run:
    """A run under way.

    Iterate over it: each item is the run itself after one gradient step (after one iteration, where the recipe takes
    no gradient steps). :meth:`result` may be called at any time. A run whose loss is no longer finite halts with a
    :class:`~dipgraph.engine.record.DivergedError`.

    Parameters
    ----------
    program
        The settled recipe.
    problem
        What is solved.
    options
        Device, seed, threads, precision.
    """

    def __init__(self, program: Program, problem: Problem, options: Options | None = None) -> None:
        self.program, self.problem = program, problem
        self.options = options or Options()
        if self.options.threads is not None:
            torch.set_num_threads(self.options.threads)
        device = choose_device(self.options.device)
        if device.type == "cuda":
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
        self.plan: Plan = build(program)
        with memory_told(device):
            self.bound: Bound = bind(problem, device, self.options.dtype)
        check_binding(program, self.plan, self.bound)
        given = self.bound.given
        wanted = check_numbers(self.plan, given, problem.name)
        with memory_told(device):
            machine = compile_plan(program, self.plan, given, self.bound.setting, self.options.seed, wanted)
        self.record = Record(self.bound)
        self.executor = Executor(machine, self.record, self.options.run_on, self.options.stop_at)
        self.seconds = 0.0
        self.is_interrupted = False
        self.is_diverged = False

    @property
    def steps(self) -> int:
        """Gradient steps done, or iterations where there are none."""
        return self.executor.steps

    @property
    def frames(self) -> list[Frame]:
        """The loops under way, outermost first, and how far each has come."""
        return self.executor.frames[1:]

    @property
    def has_image(self) -> bool:
        """Whether there is something to deliver yet."""
        return self.executor.returned()["image"] is not None

    @property
    def image(self) -> Image | None:
        """The tracked image as it stands, in the problem's unit; none before the first iteration."""
        latest = self.executor.tracked()
        return None if latest is None else self.bound.physical(latest).astype(np.float32)

    def __iter__(self) -> Iterator[Run]:
        steps = self.executor.run()
        while True:
            began = time.perf_counter()
            try:
                with memory_told(self.bound.setting.device, self):
                    next(steps)
            except StopIteration:
                self.record.flush()
                self._refuse_divergence()
                self.seconds += time.perf_counter() - began
                return
            self.seconds += time.perf_counter() - began
            self._refuse_divergence()
            yield self

    def _refuse_divergence(self) -> None:
        """Halt where the record found numbers that are not finite; it reads them in batches, so somewhat late."""
        if self.record.fault is not None:
            self.is_diverged = True
            self.record.fault.remedy = self._advice()
            raise self.record.fault

    def _advice(self) -> str:
        """What to do about a divergence."""
        machine = self.executor.machine
        usual = "lower the rate of the optimiser, or the weight of that term; or bound the gradient with clip"
        if next(machine.trainings(), None) is None:
            usual = "no optimiser is at work: look for a step that is too long, and for values without a result (0/0)"
        broken = [demand for guard in machine.guards for demand in guard.broken()]
        said = "; ".join(f"'{each.port}' in line {each.mark.line + 1} is to be {each.kind}" for each in broken)
        return f"a value went out of its port's bounds: {said}; else {usual}" if broken else usual

    def interrupt(self) -> None:
        """Leave the run where it stands; raises as a step does, if it has diverged by then."""
        self.record.flush()
        self._refuse_divergence()
        self.is_interrupted = True

    @property
    def is_sound(self) -> bool:
        """Whether all that was read is finite, and so are the networks and images under training."""
        self.record.flush()
        if self.record.fault is not None:
            return False
        executor = self.executor
        trained: list[Tensor] = [
            tensor for network in executor.machine.networks.values() for tensor in network.parameters()
        ]
        trained += [leaf for trainer in executor.trainers.values() for leaf in trainer.leaves.values()]
        with torch.no_grad():
            return all(bool(torch.isfinite(tensor).all()) for tensor in trained)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on; may be asked for after each item of the iteration.

        It shares memory with the run: :func:`dipgraph.engine.state.snapshot` copies it.
        """
        return {"executor": self.executor.state_dict(), "record": self.record.state_dict(), "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another run of the same recipe, problem and options stood: to the same numbers, bit for bit."""
        self.executor.load_state_dict(state["executor"])
        self.record.load_state_dict(state["record"])
        self.seconds = state["seconds"]

    def score(self, image: NDArray[Any]) -> Score:
        """The scores of an image in the problem's unit."""
        problem = self.problem
        if problem.reference is None and problem.segmentation is None:
            return Score()
        found = {}
        if problem.reference is not None:
            similarity = ssim(image, problem.reference, problem.region)
            found = {"psnr": psnr(image, problem.reference, problem.region),
                     "ssim": None if math.isnan(similarity) else similarity}  # fmt: skip
        agreement = None
        if problem.segmentation is not None:
            agreement = matthews(otsu(image, problem.region), problem.segmentation, problem.region)
        return Score(**found, matthews=agreement)

    def result(self) -> Result:
        """What stands now, as the run's result."""
        executor = self.executor
        final = executor.returned()
        if final["image"] is None:
            raise InputError("the run has not reached an image yet", remedy="let it finish its first iteration")
        returns = executor.delivered or final
        image = self.bound.physical(returns["image"])
        tracked = executor.tracked()
        last = self.bound.physical(final["image"] if tracked is None else tracked)
        self.record.flush()
        end = conclude(
            executor,
            run_on=self.options.run_on,
            is_diverged=self.is_diverged,
            is_interrupted=self.is_interrupted,
        )
        inverse = fbp_image(self.bound)
        scale = self.bound.scale
        return Result(
            image=image.astype(np.float32),
            final=last.astype(np.float32),
            returns={name: _detached(value) for name, value in returns.items() if name != "image"},
            end=end,
            steps=self.steps,
            stopped_at=executor.stopped_at,
            seconds=self.seconds,
            record=self.record,
            score=self.score(image),
            final_score=self.score(last),
            fbp=inverse,
            fbp_score=Score() if inverse is None else self.score(inverse),
            device=str(self.bound.setting.device),
            threads=torch.get_num_threads(),
            seed=self.options.seed,
            run_on=self.options.run_on,
            saturated=saturated_share(image, scale) if executor.machine.networks else 0.0,
        )


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def fbp_image(bound: Bound) -> Image | None:
    """The problem's analytic inverse of its data, in the problem's unit."""
    if bound.problem.fbp is None:
        return None
    with torch.no_grad():
        return bound.physical(bound.given["fbp"](bound.given["y"])).astype(np.float32)
