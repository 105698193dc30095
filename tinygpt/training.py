"""A training run: a model, its optimiser and its text, and the loop that takes it to its end.

A run's folder, checkpoints/NAME/, holds latest.h5 (to go on from), best.h5 (lowest validation
loss), final.h5, stepNNNNNNN.h5, config.toml, log.jsonl, loss.png and .lock (locked while a process
trains it).

Everything random depends on the seed and the step number alone, so a run that is stopped and
resumed gives the same bits as one that never stopped (with the same number of worker threads).
"""

import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tinygpt import __version__
from tinygpt.backend import select, to_device, to_host
from tinygpt.checkpoint import Checkpoint, save_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.corpus import Text
from tinygpt.errors import CheckpointError, TinyGPTError, VocabularyError
from tinygpt.evaluation import evaluate_loss
from tinygpt.generation import generate_text
from tinygpt.model import GPT
from tinygpt.optim import AdamW, lr_at
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count, parameter_count
from tinygpt.progress import Progress
from tinygpt.run_state import read_run_state
from tinygpt.threads import WorkerPool, default_workers


def tokens_per_step(config: TrainConfig) -> int:
    """How many tokens one optimiser step learns from."""
    return config.batch_size * config.accumulate * config.block_size


class Run:
    """A model, its optimiser and its text at some step of a schedule of `steps` steps."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        text: Text,
        *,
        steps: int,
        checkpoint: Checkpoint | None = None,
        beginning: Checkpoint | None = None,
    ) -> None:
        """Resumed from `checkpoint`, or new, with the weights of `beginning` or random ones."""
        self.config, self.folder, self.text, self.steps = config, folder, text, steps
        self.stored_steps = steps  # the schedule that the checkpoint knows
        self.tokenizer = text.tokenizer
        self.xp = select(config.device)
        self.workers = 1 if self.xp is not np else (config.threads or default_workers())
        loaded = checkpoint or beginning
        model_config = config.model_config((loaded.config if loaded else self.tokenizer).vocab_size)
        self.stored_workers = self.workers  # those that the checkpoint knows
        dtype = np.dtype(config.dtype)
        self.model = GPT(
            model_config,
            None if loaded is None else to_device(loaded.flat.astype(dtype, copy=False), self.xp),
            seed=config.seed,
            dtype=dtype,
            xp=self.xp,
        )
        self.optimizer = AdamW(
            parameter_count(model_config),
            decayed_count(model_config),
            dtype=dtype,
            xp=self.xp,
            beta1=config.beta1,
            beta2=config.beta2,
            eps=config.eps,
            weight_decay=config.weight_decay,
        )
        self.batches = text.batches(config)
        self.step = 0  # optimiser steps done
        self.loss = self.val_loss = self.best_val_loss = math.nan
        self.best_step = 0
        self.lr = 0.0  # of the last step
        self._seconds, self._tokens = 0.0, 0  # of training alone, since the last line of the log
        if checkpoint is not None:
            self._restore(checkpoint)

    def train(
        self,
        progress: Progress,
        *,
        stop_at: int | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train to the end of the schedule, to `stop_at`, or until `interrupted()`; then save.

        Raises TinyGPTError when the loss is no longer a number.
        """
        config = self.config
        end = self.steps if stop_at is None else min(stop_at, self.steps)
        stepper = TrainingStep(
            self.model,
            self.optimizer,
            rows=self.batches.batch_size,
            workers=self.workers,
            clip=config.clip,
            seed=config.seed,
            accumulate=config.accumulate,
        )
        try:
            with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
                while self.step < end and not interrupted():
                    self._advance(stepper)
                    measured = self._due(config.eval_every)
                    if measured:
                        self._evaluate(stepper.pool)
                    if measured or self.step == 1 or self._due(config.log_every):
                        self._report(log, progress, measured)
                    if config.sample_every and self._due(config.sample_every):
                        progress.say(f"--- step {self.step} says:\n{self.sample()}\n---")
                    if config.save_every and self.step % config.save_every == 0:
                        self.save(f"step{self.step:07}.h5")
                    if self.step == self.steps:
                        self.save("final.h5")
                    if measured and self.step < end:
                        self.save("latest.h5")
            self.save("latest.h5")
        finally:
            stepper.close()
            progress.close()

    def _advance(self, stepper: TrainingStep) -> None:
        """One optimiser step: a batch, its loss, its gradients, the update."""
        began = time.perf_counter()
        x, y = self.batches.batch(self.step)
        self.lr = self._learning_rate()
        # a number too large is noticed below; NumPy's warnings would only repeat it
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.loss, norm = stepper(x, y, lr=self.lr, step=self.step)
        if not (math.isfinite(self.loss) and math.isfinite(norm)):
            raise TinyGPTError(
                f"the loss became {self.loss} and the gradient's norm {norm} at step "
                f"{self.step + 1}: training has blown up; start again with a lower --lr (it is "
                f"{self.config.lr}); what was saved before in {self.folder} is kept"
            )
        self.step += 1
        self._tokens += y.size
        self._seconds += time.perf_counter() - began

    def headline(self) -> str:
        """One line about the run, for its beginning."""
        begin = f"resuming at step {self.step}" if self.step else "training"
        if self.config.init_from is not None and not self.step:
            begin = f"fine-tuning {self.config.init_from}"
        return (
            f"{begin}: {parameter_count(self.model.config):,} parameters on "
            f"{len(self.text.train):,} tokens of {self.text.name} ({self.tokenizer.name}, "
            f"{self.tokenizer.vocab_size} ids), {self.steps} steps, {self.workers} "
            f"thread{'s' * (self.workers != 1)}; files in {self.folder}"
        )

    def _learning_rate(self) -> float:
        return lr_at(
            self.step,
            lr=self.config.lr,
            min_lr=self.config.min_lr,
            warmup=self.config.warmup,
            steps=self.steps,
        )

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.steps

    def _evaluate(self, pool: WorkerPool) -> None:
        """Measure the loss on all held-out text; keep the best model so far."""
        measured = evaluate_loss(
            self.model, self.text.held_out(), context=self.config.block_size, pool=pool
        )
        self.val_loss = measured.loss
        if not self.best_val_loss <= self.val_loss:  # also when there is no best yet (nan)
            self.best_val_loss, self.best_step = self.val_loss, self.step
            self.save("best.h5", optimizer=False)

    def _report(self, log: TextIO, progress: Progress, measured: bool) -> None:
        """A line of log.jsonl and of the screen."""
        entry = {
            "step": self.step,
            "loss": self.loss,
            "val_loss": self.val_loss if measured else None,
            "lr": self.lr,
            "tokens_per_second": round(self._tokens / max(self._seconds, 1e-9), 1),
        }
        if self.text.floor is not None:
            entry["floor"] = self.text.floor
        log.write(json.dumps(entry) + "\n")
        log.flush()
        progress.report(self.step, self.loss, entry["val_loss"], entry["tokens_per_second"] or 0.0)
        self._seconds, self._tokens = 0.0, 0

    def sample(self, n_tokens: int = 120) -> str:
        """What the model says by now; drawn with a seed of its own, so training is not touched.

        Unless the run is of documents it begins from a newline where the tokenizer knows one: the
        end-of-text of a single file is in its held-out part, so a model may never have met one.
        """
        prompt = None if self.text.by_documents else "\n"
        try:
            self.tokenizer.encode("\n")
        except VocabularyError:
            prompt = None
        return generate_text(
            self.model, self.tokenizer, prompt, seed=self.config.seed, max_new_tokens=n_tokens
        )

    def save(self, name: str, *, optimizer: bool = True) -> None:
        """Write a checkpoint into the run's folder; without the optimiser it cannot be resumed."""
        moments = (to_host(self.optimizer.m), to_host(self.optimizer.v)) if optimizer else None
        save_checkpoint(
            self.folder / name,
            config=self.model.config,
            flat=to_host(self.model.flat),
            tokenizer=self.tokenizer,
            optimizer=moments,
            state=self.state(),
        )

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, beside parameters, moments and tokenizer; JSON-able."""
        seen = self.step * tokens_per_step(self.config)
        return {
            "train_config": asdict(self.config),
            "step": self.step,
            "steps": self.steps,
            "epoch": seen / len(self.text.train),
            "tokens_seen": seen,
            "loss": _or_none(self.loss),
            "val_loss": _or_none(self.val_loss),
            "best_val_loss": _or_none(self.best_val_loss),
            "best_step": self.best_step,
            "optimizer_t": self.optimizer.t,
            # batches and dropout masks are drawn by default_rng([seed, step, ...]): no other state
            "rng": {"seed": self.config.seed, "step": self.step},
            "workers": self.workers,
            "data": {
                "name": self.text.name,
                "sha256": self.text.sha256,
                "train_tokens": len(self.text.train),
                "val_tokens": len(self.text.val),
                "floor": self.text.floor,
                "position": self.step,
            },
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "tinygpt": __version__,
            },
        }

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.m is None or checkpoint.v is None:
            raise CheckpointError(
                f"{checkpoint.path} has no optimiser state, so no run can go on from it; "
                "resume from a latest.h5"
            )
        dtype = np.dtype(self.config.dtype)
        state = read_run_state(checkpoint)
        self.optimizer.m[...] = to_device(checkpoint.m.astype(dtype, copy=False), self.xp)
        self.optimizer.v[...] = to_device(checkpoint.v.astype(dtype, copy=False), self.xp)
        self.optimizer.t = state.optimizer_t
        self.stored_steps, self.step = state.steps, state.step
        self.loss, self.val_loss = state.loss, state.val_loss
        self.best_val_loss, self.best_step = state.best_val_loss, state.best_step
        if self.xp is np and state.workers is not None:
            self.stored_workers = state.workers


def _or_none(value: float) -> float | None:
    """JSON has no nan."""
    return None if math.isnan(value) else value
