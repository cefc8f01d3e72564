"""All nemeses; importing this makes them known."""

import harm_network  # noqa: F401
import harm_processes  # noqa: F401
