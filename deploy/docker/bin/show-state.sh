#!/usr/bin/env bash
# The cluster as the monitor of this container sees it, as JSON: docker compose exec pgaf-monitor bash /opt/pgaf/show-state.sh
# More words go to pgafctl: show-state.sh --cluster other
exec pgafctl --monitor "${PGAF_MONITOR:-127.0.0.1:5431}" -o json show state "$@"
