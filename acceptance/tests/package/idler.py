"""Two clients of the submission service: one that logs in, and one that never says a word.
Tells what they hear, the first after each line of input: idler.py USER PASSWORD"""
import smtplib, socket, ssl, sys

user, password = sys.argv[1:]
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
session = smtplib.SMTP("127.0.0.1", 587, timeout=300)
session.starttls(context=trust)
session.login(user, password)
stranger = socket.create_connection(("127.0.0.1", 587), timeout=300)
silent = stranger.makefile("rb")
assert silent.readline().startswith(b"220 ")
print("logged in", flush=True)
for line in sys.stdin:
    if line == "stranger\n":
        print(silent.read().decode().strip(), flush=True)
        continue
    try:
        print(session.noop()[0], flush=True)
    except (smtplib.SMTPServerDisconnected, OSError):
        print("over", flush=True)
