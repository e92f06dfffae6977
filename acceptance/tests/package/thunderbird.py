"""Thunderbird, without a screen: its own account assistant sets it up from the file that it would
fetch, and it reads a message, sends one to itself and waits for that; how is in thunderbird.js.
Prints what went wrong, if anything did:
thunderbird.py SETTINGS CERTIFICATE ADDRESS PASSWORD SUBJECT TYPE PORT SUBMISSION-PORT"""
import json, os, socket, ssl, subprocess, sys, tempfile

PATIENCE = 120  # seconds for the whole, and for each answer
PREFERENCES = {
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "mail.biff.play_sound": False,
    "mail.biff.show_alert": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "marionette.port": 0,
}


class Marionette:
    """What Firefox' family is driven by: JSON over TCP, each message behind its length."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.input = self.socket.makefile("rb")
        self.number = 0
        self.message()

    def message(self):
        length = b""
        while (octet := self.input.read(1)) != b":":
            if not octet:
                sys.exit("Thunderbird has gone")
            length += octet
        return json.loads(self.input.read(int(length)))

    def call(self, name, **arguments):
        self.number += 1
        message = json.dumps([0, self.number, name, arguments]).encode()
        self.socket.sendall(b"%d:" % len(message) + message)
        _, _, error, result = self.message()
        if error:
            sys.exit(f"{name}: {error}")
        return result


def start(profile):
    """Thunderbird, and its port once it listens there."""
    with open(f"{profile}/user.js", "w") as file:
        for name, value in PREFERENCES.items():
            file.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
    words = ["thunderbird", "--headless", "--no-remote", "--profile", profile]
    words += ["--marionette", "--remote-allow-system-access"]
    child = subprocess.Popen(
        ["timeout", "--kill-after=9", str(PATIENCE), *words],
        env={**os.environ, "HOME": profile},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    said = []
    for line in child.stdout:
        said.append(line)
        if "Listening on port " in line:
            return child, int(line.split()[-1])
    sys.exit("it does not listen: " + "".join(said))


def main(settings, certificate, *wanted):
    with open(settings) as file:
        settings = file.read()
    with open(certificate) as file:
        certificate = ssl.PEM_cert_to_DER_cert(file.read())
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "thunderbird.js")) as file:
        script = file.read()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        child, port = start(profile)
        driver = Marionette(port)
        driver.call("WebDriver:NewSession")
        driver.call("Marionette:SetContext", value="chrome")
        driver.call("WebDriver:SetTimeouts", script=1000 * PATIENCE)
        error = driver.call(
            "WebDriver:ExecuteAsyncScript", script=script, sandbox="system",
            args=[settings, list(certificate), *wanted],
        )["value"]
        driver.call("Marionette:Quit", flags=["eForceQuit"])
        child.stdout.read()
        child.wait()
    if error:
        sys.exit(error)


main(*sys.argv[1:])
