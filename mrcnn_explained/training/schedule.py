"""Schedule: how long and how fast to train, and the optimizer that follows from it.

Source   Matterport's `train`, `compile` and `set_trainable` (SGD, layer sets); AdamW and the
         cosine are options that it does not have
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf

from mrcnn_explained.config import Config
from mrcnn_explained.detector.training_step import decays
from mrcnn_explained.errors import TrainingError, shown
from mrcnn_explained.inputs import check_range

LARGEST = 2**31 - 1  # of the numbers that TensorFlow counts and draws with

#: Layers to train, by Matterport's names: a regular expression of layer names for each.
LAYER_SETS = {
    "heads": r"(mrcnn_|rpn_|fpn_).*",
    "3+": r"(res[345]|bn[345]|mrcnn_|rpn_|fpn_).*",
    "4+": r"(res[45]|bn[45]|mrcnn_|rpn_|fpn_).*",
    "5+": r"(res5|bn5|mrcnn_|rpn_|fpn_).*",
    "all": r".*",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast to train. The defaults are Matterport's.

    Raises TrainingError for an unknown optimizer, numbers out of their range, and steps that do
    not add up.
    """

    steps: int = 1000
    layers: str = "all"  # one of LAYER_SETS, or a regular expression of layer names
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.001  # the highest of the schedule
    momentum: float = 0.9  # of SGD; beta_1 of AdamW
    beta_2: float = 0.99  # of AdamW
    decoupled_weight_decay: float = 0.0  # of AdamW, per step and weight (arXiv:1711.05101)
    warmup_steps: int = 0  # steps in which the rate grows linearly from 0
    final_rate: float = 1.0  # share of the learning rate left at the end of a cosine; 1: constant
    ema: float = 0.0  # momentum of the moving average of the weights; 0: no average
    seed: int = 0  # of the anchors and ROIs drawn to train on

    def __post_init__(self) -> None:
        if self.optimizer not in ("sgd", "adamw"):
            raise TrainingError(f"optimizer is {self.optimizer!r}; expected 'sgd' or 'adamw'")
        check_range("steps", self.steps, 1, LARGEST, TrainingError)
        check_range("seed", self.seed, 0, LARGEST, TrainingError)
        for name in ("learning_rate", "decoupled_weight_decay"):
            check_range(name, getattr(self, name), 0, error=TrainingError)
        check_range("final_rate", self.final_rate, 0, 1, TrainingError)
        for name in ("momentum", "beta_2", "ema"):
            check_range(name, getattr(self, name), 0, 1, TrainingError)
        if self.ema == 1:
            raise TrainingError("ema is 1, an average that never changes; expected less than 1")
        if not 0 <= self.warmup_steps < self.steps:
            raise TrainingError(
                f"warmup_steps is {self.warmup_steps} of {self.steps} steps; expected 0 or more, "
                "and fewer than steps"
            )


def layer_pattern(layers: str) -> str:
    """Return the regular expression of layer names for one of LAYER_SETS, or `layers` itself.

    Raises TrainingError if it is not a valid regular expression.
    """
    pattern = LAYER_SETS.get(layers, layers)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise TrainingError(
            f"layers is {shown(layers)}, which is not a valid regular expression: {error}"
        ) from error
    return pattern


def weights_to_train(weights: Mapping[str, Any], layers: str) -> dict[str, Any]:
    """Select the variables that a plan's `layers` trains, by `layer/weight`.

    weights    of a model: `MaskRCNN.weights`
    layers     one of LAYER_SETS, or a regular expression of layer names

    Raises TrainingError if no layer matches.
    """
    pattern = layer_pattern(layers)
    selected = {
        name: variable
        for name, variable in weights.items()
        if variable.trainable and re.fullmatch(pattern, name.split("/")[0])
    }
    if not selected:
        raise TrainingError(
            f"layers {shown(layers)} matches no layer; use one of {', '.join(LAYER_SETS)}, or a "
            "regular expression such as 'res5.*|mrcnn_.*'"
        )
    return selected


def learning_rate(plan: Plan) -> Any:
    """Return the learning rate of a plan: a number, or a Keras schedule (warm-up and cosine)."""
    if not plan.warmup_steps and plan.final_rate == 1:
        return plan.learning_rate
    steps_after_warmup = plan.steps - plan.warmup_steps
    if not plan.warmup_steps:
        return keras.optimizers.schedules.CosineDecay(
            plan.learning_rate, steps_after_warmup, alpha=plan.final_rate
        )
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        steps_after_warmup,
        alpha=plan.final_rate,
        warmup_target=plan.learning_rate,
        warmup_steps=plan.warmup_steps,
    )


def make_optimizer(plan: Plan, variables: Mapping[str, Any]) -> keras.Optimizer:
    """Make the optimizer of a plan for these variables, by `layer/weight`.

    AdamW's own weight decay leaves out biases and BatchNorm.
    """
    rate = learning_rate(plan)
    average = {"use_ema": plan.ema > 0, "ema_momentum": plan.ema or 0.99}
    if plan.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=plan.momentum, **average)
    else:
        optimizer = keras.optimizers.AdamW(
            rate,
            weight_decay=plan.decoupled_weight_decay,
            beta_1=plan.momentum,
            beta_2=plan.beta_2,
            **average,
        )
        without_decay = [
            variable
            for name, variable in variables.items()
            if name.endswith("bias") or not decays(name)
        ]
        optimizer.exclude_from_weight_decay(var_list=without_decay)
    optimizer.build(list(variables.values()))
    return optimizer


def clip(gradients: list[tf.Tensor], norm: tf.Tensor, config: Config) -> list[tf.Tensor]:
    """Shorten gradients to `gradient_clip_norm`.

    norm    of all gradients together

    With `clip_by="variable"` each one alone, as Matterport does (deviation 45); with "global" all
    by the same factor.
    """
    if config.clip_by == "variable":
        return [tf.clip_by_norm(gradient, config.gradient_clip_norm) for gradient in gradients]
    return tf.clip_by_global_norm(gradients, config.gradient_clip_norm, use_norm=norm)[0]
