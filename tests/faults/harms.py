"""All nemeses; importing this makes them known."""

import harm_disks  # noqa: F401
import harm_network  # noqa: F401
import harm_postgres  # noqa: F401
import harm_processes  # noqa: F401
