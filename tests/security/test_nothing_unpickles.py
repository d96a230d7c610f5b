"""No module of ours can run what stands in a file.

Not covered: what our own processes send one another. ``multiprocessing`` and ``ray`` pickle between a parent and the
children it started itself, from memory or a pipe, never from a file that somebody else has written.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.security.forbidden import unsafe

ROOTS = ("wtalkit", "models", "samples")
MODULES = sorted(path for root in ROOTS for path in (REPOSITORY / root).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_no_module_runs_what_it_reads(module: Path) -> None:
    assert unsafe(module.read_text(encoding="utf-8")) == []


def test_every_root_is_looked_at() -> None:
    assert {path.relative_to(REPOSITORY).parts[0] for path in MODULES} == set(ROOTS)
    assert REPOSITORY / "wtalkit" / "official.py" in MODULES


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x')",
        "import torch as t\nt.load('x', weights_only=False)",
        "import torch\nsafe = True\ntorch.load('x', weights_only=safe)",
        "from torch import load\nload('x')",
        "from torch import load as read\nread('x')",
        "import torch\nread = torch.load\nread('x')",
        "import torch\ntorch.jit.load('x')",
        "import torch\ngetattr(torch, 'load')('x')",
        "from torch import jit\njit.load('x')",
        "import pickle\npickle.loads(b'')",
        "import pickle\nlist(map(pickle.loads, []))",
        "import pickle as p\nclass Own(p.Unpickler): pass",
        "from pickle import Unpickler",
        "from pickle import load as unpickle",
        "import dill",
        "import cloudpickle as pickle",
        "from joblib import load",
        "import marshal",
        "import shelve",
        "import importlib\nimportlib.import_module('pickle').loads(b'')",
        "__import__('pickle')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nnp.load('x', None, True)",
        "import numpy as np\nnp.load('x', **options)",
        "import functools, numpy\nfunctools.partial(numpy.load, mmap_mode='r')",
        "import numpy as np\nnp.load('x', allow_pickle=(flag := True))",
        "from numpy import load\nload('x', allow_pickle=1)",
        "import pandas as pd\npd.read_pickle('x')",
        "import yaml\nyaml.load('x', Loader=yaml.Loader)",
        "eval('1')",
        "exec('x = 1')",
        "compile('x', 'x', 'exec')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run('ls', shell=1)",
        "import os\nos.system('ls')",
        "from os import system",
        "import os\nos.popen('ls')",
        "import tempfile\ntempfile.mktemp()",
        "import zipfile\nzipfile.ZipFile('x').extractall()",
        "import shutil\nshutil.unpack_archive('x')",
    ],
)
def test_what_is_planted_is_found(source: str) -> None:
    assert unsafe(source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x', map_location='cpu', weights_only=True)\ntorch.compile(model)",
        "import re\nre.compile('x')\nmodel.eval()\nexecutor.exec_all()",
        "import numpy as np\nnp.load('x', allow_pickle=False)\nnp.load('x')",
        "class Settings:\n    compile: bool = False",
        "import pickle\ntry: pass\nexcept pickle.UnpicklingError: pass",
        "import json\njson.loads('1')",
        "import subprocess\nsubprocess.run(['ls'], shell=False)",
    ],
)
def test_what_is_harmless_passes(source: str) -> None:
    assert unsafe(source) == []
