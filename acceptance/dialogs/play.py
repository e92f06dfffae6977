"""Plays the client's part of a recorded dialog, and fails at the first answer that is another:
play.py DIALOG CA SERVICE=HOST:PORT ...

What is in a dialog, a line each, N being a connection:

    N connects SERVICE
    N tls                the handshake
    N C: LINE            the client sends a line; \\s at its end is a blank
    N S: LINE            it gets one; {*} is anything within it, {lines} alone any lines before the next
    N closes             the client goes
    N ends               the server has gone
"""
import re, socket, ssl, sys

PATIENCE = 60  # seconds for an answer


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.read = self.socket.makefile("rb")
        self.skips = False

    def handshake(self, trust):
        self.socket = trust.wrap_socket(self.socket, server_hostname="mail.example.org")
        self.read = self.socket.makefile("rb")

    def line(self):
        try:
            return self.read.readline().decode("latin-1").removesuffix("\n").removesuffix("\r")
        except TimeoutError:
            return f"(nothing in {PATIENCE} seconds)"

    def expect(self, wanted):
        if wanted == "{lines}":
            self.skips = True
            return
        pattern = ".*".join(map(re.escape, wanted.split("{*}")))
        while not re.fullmatch(pattern, got := self.line()):
            if not self.skips or got.startswith("(nothing"):
                raise ValueError(f"got {got!r}")
        self.skips = False


def step(connections, services, trust, number, does):
    verb, _, what = does.partition(" ")
    what = re.sub(r"\\s$", " ", what)
    if verb == "connects":
        connections[number] = Connection(services[what])
        return
    connection = connections[number]
    if verb == "tls":
        connection.handshake(trust)
    elif verb == "C:":
        connection.socket.sendall(f"{what}\r\n".encode("latin-1"))
    elif verb == "S:":
        connection.expect(what)
    elif verb == "ends" and (got := connection.line()):
        raise ValueError(f"got {got!r}")
    elif verb == "closes":
        connection.socket.close()
    elif verb != "ends":
        raise ValueError("no such step")


def main(dialog, ca, *services):
    services = dict(service.split("=") for service in services)
    trust = ssl.create_default_context(cafile=ca)
    connections = {}
    with open(dialog, encoding="latin-1") as lines:
        for at, line in enumerate(lines, 1):
            line = line.removesuffix("\n")
            if not line or line.startswith("#"):
                continue
            try:
                step(connections, services, trust, *line.split(" ", 1))
            except (ValueError, OSError) as error:
                sys.exit(f"{dialog}:{at}: {line}: {error}")


main(*sys.argv[1:])
