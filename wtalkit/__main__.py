"""``python -m wtalkit`` is the command line."""

import sys

from wtalkit.cli import main

sys.exit(main())
