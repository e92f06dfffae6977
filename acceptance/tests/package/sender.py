"""Logs in and sends a numbered message, again and again, until its input ends. Says how many
were acknowledged, and each attempt that failed: sender.py USER PASSWORD

Who is told 421 before it has logged in, as a server does that is on its way down, tries again."""
import select, smtplib, ssl, sys

user, password = sys.argv[1:]
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
number = 0

def hello(client):
    """smtplib's own tries HELO, whatever EHLO's answer, and hears only that nobody is there."""
    code, text = client.ehlo()
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)

def log_in(client):
    """smtplib's own tries another mechanism, whatever the answer, and hears that nobody is there."""
    client.user, client.password = user, password
    client.auth("PLAIN", client.auth_plain)

print("begins", flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    try:
        with smtplib.SMTP("127.0.0.1", 587, timeout=120) as client:
            hello(client)
            client.starttls(context=trust)
            hello(client)
            log_in(client)
            text = f"Subject: Number {number + 1} of a row\r\n\r\nhi\r\n"
            client.sendmail("al@localhost", ["al@localhost"], text)
            number += 1
    except smtplib.SMTPResponseException as error:
        if error.smtp_code != 421:
            print(f"failed at {number + 1}: {error!r}", flush=True)
    except Exception as error:
        print(f"failed at {number + 1}: {error!r}", flush=True)
print(f"sent {number}", flush=True)
