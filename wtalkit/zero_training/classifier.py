"""A backbone's classifier as a base method: class logits per snippet, their softmax, and nothing that was trained here.

The streams' logits are averaged, as I3D's authors join them, and the softmax goes over all classes: what else a snippet
might show is the background that a class has to stand out from. Restricting the answer to a few classes therefore comes
after it.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from wtalkit.methods.interface import SCORE_LOGITS, Batch, Fuse, Method, Outputs, Streams
from wtalkit.methods.masking import topk_mean
from wtalkit.methods.options import Options

_SHARE = 8
"""A video's score is the mean of the best eighth of its snippets."""


class BackboneClassifier(Method):
    """The last linear layer of a backbone over features ``[T, D]``.

    Args:
        weight: ``[C, D]``, all streams side by side.
        bias: ``[C]``.
    """

    name = "classifier"
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__(len(bias), weight.shape[1], Options())
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def predict(self, streams: Streams, batch: Batch, fuse: Fuse) -> Outputs:
        features = fuse(streams["rgb"], streams["flow"])  # (B, T, D); of one stream these are its two halves
        real = batch.mask[:, :, None]
        logits = F.linear(features, self.weight, self.bias) * real  # (B, T, C)
        scores = logits.softmax(dim=-1) * real
        return Outputs(
            cas_logits=logits,
            attn=scores.amax(dim=-1),
            act_scores=scores,
            video_scores=topk_mean(scores, batch.mask, _SHARE),
            feat=features,
            streams=streams,
            has_background=False,
            extra={SCORE_LOGITS: logits},
        )
