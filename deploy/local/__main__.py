"""python3 -m local COMMAND: what deploy/demo calls once everything is built."""

import sys

from .demo import main

sys.exit(main(sys.argv[1:]))
