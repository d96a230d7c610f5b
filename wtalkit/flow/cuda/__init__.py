"""TV-L1 on a GPU: torch holds the memory, Triton compiles the kernels.

* ``layout``: what lies where, and the state of a slot.
* ``images``, ``median``, ``iteration``: the kernels.
* ``control``: what a slot does next, decided on the GPU.
* ``solver``: the object that owns the memory and drives the rounds.
* ``frames``: frames in, fields out, and what is said where CUDA is missing.

Importing the modules imports torch and triton; importing this package does not.
"""
