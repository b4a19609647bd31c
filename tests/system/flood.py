"""Many questions at once from one UDP socket, without retries: what is lost is a failure."""
import selectors
import socket
import struct
import time

import dns.message


def question(ident, name, type):
    """A question as a packet; by hand, because there are tens of thousands of them."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    number = {"A": 1, "TXT": 16}[type]
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, number, 1)


class Flood:
    """ask() keeps up to `window` questions under way and returns the replies in the order of the questions."""

    def __init__(self, address, port, window=64, seconds=15):
        self.peer = (address, port)
        self.window, self.seconds = window, seconds

    def ask(self, questions, on_tick=None):
        """questions: (name, type) each. A list of (seconds when asked, seconds when answered, reply)."""
        waiting, replies = {}, [None] * len(questions)
        family = socket.AF_INET6 if ":" in self.peer[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock, selectors.DefaultSelector() as selector:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.connect(self.peer)
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
            next_one, last = 0, time.monotonic()
            while next_one < len(questions) or waiting:
                while next_one < len(questions) and len(waiting) < self.window:
                    self._send(sock, questions, next_one, waiting)
                    next_one += 1
                if selector.select(0.05):
                    last = self._receive(sock, waiting, replies) or last
                if on_tick is not None:
                    on_tick(next_one - len(waiting))
                lost = [questions[i] for i, _ in waiting.values()]
                assert time.monotonic() - last < self.seconds, f"{len(lost)} questions not answered: {lost[:5]}"
        return replies

    @staticmethod
    def _send(sock, questions, i, waiting):
        ident = i & 0xFFFF
        assert ident not in waiting
        packet = question(ident, *questions[i])
        waiting[ident] = (i, time.monotonic())
        sock.send(packet)

    @staticmethod
    def _receive(sock, waiting, replies):
        now = None
        while True:
            try:
                packet = sock.recv(65535)
            except BlockingIOError:
                return now
            now = time.monotonic()
            reply = dns.message.from_wire(packet)
            i, asked = waiting.pop(reply.id)
            replies[i] = (asked, now, reply)
