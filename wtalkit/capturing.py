"""Recording CUDA graphs in a program of several threads."""

from __future__ import annotations

import threading

CAPTURING = threading.RLock()
"""To be held while a graph is recorded, and by whoever waits for a whole device: in one process a second recording, or
such a wait in another thread, breaks a recording that is under way (cudaStreamCaptureModeThreadLocal or not)."""
