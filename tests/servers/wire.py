"""PostgreSQL's protocol, version 3, as far as a pooler must know it."""

import contextlib
import socket
import struct

PROTOCOL, SSL, GSS = 196608, 80877103, 80877104


def message(kind: bytes, *parts: bytes | str) -> bytes:
    """A text is sent with the zero at its end."""
    body = b"".join(part.encode() + b"\0" if isinstance(part, str) else part for part in parts)
    return kind + struct.pack("!i", len(body) + 4) + body


def error(code: str, text: str) -> bytes:
    """An ErrorResponse that ends the connection."""
    return message(b"E", "SFATAL", "VFATAL", f"C{code}", f"M{text}", b"\0")


def read_startup(sock: socket.socket) -> tuple[int, bytes]:
    """What a client says first: a code and a body."""
    length, code = struct.unpack("!ii", _exactly(sock, 8))
    return code, _exactly(sock, length - 8)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = sock.recv(size, socket.MSG_WAITALL) if size else b""
    if len(data) < size:
        raise EOFError
    return data


class Wire:
    """A socket whose bytes are read as whole messages."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""

    def fileno(self) -> int:
        """So that one can wait for it."""
        return self.sock.fileno()

    def read(self) -> list[bytes]:
        """Those that have come, maybe none yet. EOFError: the other side has closed."""
        data = self.sock.recv(65_536)
        if not data:
            raise EOFError
        self._rest += data
        messages = []
        while len(self._rest) >= 5:
            end = 1 + struct.unpack_from("!i", self._rest, 1)[0]
            if len(self._rest) < end:
                break
            messages.append(self._rest[:end])
            self._rest = self._rest[end:]
        return messages

    def write(self, messages: list[bytes]) -> None:
        """Send them in one piece."""
        self.sock.sendall(b"".join(messages))

    def cut(self) -> None:
        """Close both directions; who waits for it wakes."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


class Turn:
    """One transaction as it looks from the wire: over when nothing asked is unanswered."""

    def __init__(self) -> None:
        self._unanswered, self._unsynced, self._idle = 0, False, True

    def ask(self, message: bytes) -> None:
        """The client says something. EOFError: goodbye."""
        kind = message[:1]
        if kind == b"X":
            raise EOFError
        if kind in b"QFS":  # a query, a function call, Sync: each ends in one ReadyForQuery
            self._unanswered += 1
            self._unsynced = False
        elif kind in b"PBDECH":  # the extended protocol, up to its Sync
            self._unsynced = True

    def answer(self, message: bytes) -> None:
        """The backend says something."""
        if message[:1] == b"Z":
            self._unanswered -= 1
            self._idle = message[5:] == b"I"

    @property
    def over(self) -> bool:
        """The backend may be taken back."""
        return self._idle and not self._unanswered and not self._unsynced
