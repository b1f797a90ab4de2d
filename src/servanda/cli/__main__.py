"""`python -m servanda.cli`."""

import sys

from servanda.cli import main

sys.exit(main())
