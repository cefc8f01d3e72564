#!/usr/bin/python3
"""Hands frames from one interface to another and back, each a while later: relay.py LEFT RIGHT MILLISECONDS.

For kernels without netem. Both interfaces are veth peers, whose other ends must compute checksums and cut segments
themselves (see Network.delay). Holds at most LIMIT frames in each direction; what is more gets lost, as in any queue.
"""

import collections
import select
import socket
import sys
import time

LIMIT = 4096
ALL_PROTOCOLS = 0x0003


def listen(name):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    end.bind((name, ALL_PROTOCOLS))
    end.setblocking(False)
    return end


def main(left, right, milliseconds):
    delay = float(milliseconds) / 1000
    ends = [listen(left), listen(right)]
    queues = [collections.deque(), collections.deque()]
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        due = [queue[0][0] for queue in queues if queue]
        ready = select.select(ends, [], [], max(0, min(due) - now) if due else None)[0]
        now = time.monotonic()
        for side, end in enumerate(ends):
            if end in ready:
                frame, address = end.recvfrom(65535)
                # What we have sent ourselves comes back as outgoing.
                if address[2] != socket.PACKET_OUTGOING and len(queues[side]) < LIMIT:
                    queues[side].append((now + delay, frame))
            while queues[side] and queues[side][0][0] <= now:
                try:
                    ends[1 - side].send(queues[side].popleft()[1])
                except OSError:
                    pass  # a queue that is full, or a frame that is too long: lost


if __name__ == "__main__":
    main(*sys.argv[1:])
