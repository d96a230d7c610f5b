"""What is fixed for every model without training, because nothing here could calibrate it."""

from __future__ import annotations

from wtalkit.localization.settings import DecoderSettings

DECODER = DecoderSettings(cls_threshold=0.02)
"""The shared one's own settings, but a class need not fill much of the video: an action of 2 s in a minute with a
softmax of 0.8 has a video score of 0.2, one of 5 minutes 0.04."""
MAX_LENGTH = 750
"""Snippets of an inference window, 8 minutes of I3D's; a snippet's scores do not depend on its neighbours."""
DISPLAY_THRESHOLD = 0.25
"""Of the softmax over 400 classes, inside a segment more than around it. Nothing here could calibrate it."""
