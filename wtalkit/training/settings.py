"""Every number of a training, checked: what a recipe may hold and ``--set`` may change."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Residence = Literal["auto"] | bool
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class CalibrationSettings(_Strict):
    """How the display threshold is chosen, see :mod:`wtalkit.training.calibrate`."""

    tolerance: Share = 0.1
    """Share of the best F1 that is given up for a higher threshold, hence fewer and surer segments."""


class TrainSettings(_Strict):
    """What a training needs besides the data, the method's own options and the seed."""

    steps: Count
    """Optimizer steps."""

    batch_size: Count
    """Videos a batch."""

    accumulate: Count = 1
    """Batches a step: they are taken one after the other, and their gradients averaged. Memory is that of one batch."""

    lr: Positive
    """Learning rate at the first step."""

    weight_decay: NotNegative = 0.0
    """Adam's weight decay (added to the gradient, as in the authors' codes)."""

    optimizer: Literal["adam"] = "adam"

    schedule: Literal["constant", "cosine"] = "constant"
    """``cosine`` anneals the rate to 0 over ``steps``, stepped each step."""

    grad_clip: NotNegative = 0.0
    """Largest norm of the gradient; 0 leaves it as it is."""

    ema: Share = 0.0
    """Decay of a moving average of the weights, which then is the model; 0 for none."""

    length: Count
    """Snippets a video is sampled to, or at most has, in training (T of the papers); with ``sampling = "proposals"``,
    proposals it at most has."""

    sampling: Literal["random", "slots", "uniform", "full", "proposals"]
    """How a video becomes ``length`` snippets, see :mod:`wtalkit.training.batches`. Methods on proposals, and they
    alone, take ``proposals``: whole videos, a random ``length`` of each one's proposals."""

    min_snippets: Count = 1
    """Videos with fewer snippets are not trained on."""

    feature_rms: NotNegative = 0.0
    """Scale the features to this root mean square, measured over the training videos; 0 leaves them as they are."""

    similar_pairs: Natural = 0
    """Pairs of videos that share a class, at the head of each batch."""

    max_length: Natural = 0
    """Longest video, in snippets, that inference takes whole; longer ones go in windows. 0: ``length``."""

    precision: Literal["float32", "bf16"] = "float32"
    """``bf16`` runs the network under autocast; losses, weights and the optimizer stay float32."""

    compile: bool = False
    """Compile the network with ``torch.compile`` before the first step; every batch is padded to ``length`` then, so
    that there is one shape to compile for."""

    resident: Residence = "auto"
    """Whether the features lie on the device during training, see :mod:`wtalkit.training.resident`. ``auto``: on a GPU
    where they fit into half of its free memory. Batches are the same either way."""

    log_every: Count = 10
    """Steps from one line of metrics.jsonl to the next."""

    checkpoint_every: Count = 200
    """Steps from one resume state to the next."""

    decoder: dict[str, Any] = Field(default_factory=dict)
    """Settings of the decoder that differ from its defaults; they travel with the model."""

    calibration: CalibrationSettings = CalibrationSettings()

    @property
    def videos_a_step(self) -> int:
        return self.batch_size * self.accumulate

    @property
    def inference_length(self) -> int:
        return self.max_length or self.length
