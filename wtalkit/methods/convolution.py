"""Convolutions over time as ACRNet and CO2-Net start them."""

from __future__ import annotations

from torch import nn


def kaiming_conv(inputs: int, outputs: int, kernel: int) -> nn.Conv1d:
    """A convolution (B, inputs, T) -> (B, outputs, T) over an odd number of snippets.

    Weights from Kaiming's uniform range and no bias, the start that both authors' code gives every convolution
    (``leftthomas/ACRNet`` and ``harlanhong/MM2021-CO2-Net``, ``model.py``).
    """
    conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_uniform_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
