"""How old a read may be from a server that was replaced, in seconds, by what is wrong meanwhile (I7). With a cluster's default
settings; each nemesis says which of these it needs (nemesis.py), and of several at a time the widest counts."""

# lease_ms; and what closing may take after it (R8): a look of the keeper's, pg_hba.conf, a new connection that shows that it
# was read, the end of the sessions. A fraction of a second, but for a busy machine.
LEASE, CLOSING = 5, 3
# Networks, dead servers, monitors, standbys, operators: none of them keeps a primary from closing with its lease.
TIGHT = LEASE + CLOSING
# A server on a disk that takes no writes can't be closed. It is stopped, 5 s after the disk has begun to take none.
DISK = LEASE + 5 + CLOSING
# Nor can one that gives no session, or whose keeper's session stands still: it is stopped when it is known to be stuck. That
# takes the larger of 10 s and twice node_timeout_ms, and up to 6 s for the next attempt.
NO_SESSION = LEASE + 10 + 6 + CLOSING
# Nobody closes anything while the keeper is dead, frozen, or hangs in a write; the launcher stops the server at the end of
# keeper_timeout_ms, and one that is dead or frozen itself can't do that, nor what the keeper tells it. A keeper that is started
# again counts a lease of its own. And what stands still with its whole machine answers when that goes on.
KEEPER = 60 + LEASE + CLOSING
# For so long after a harm something of it may still be left: that lease, and the closing.
AFTER = LEASE + CLOSING
