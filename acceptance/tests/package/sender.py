"""Logs in and sends a numbered message, again and again, until its input ends. Says how many
were acknowledged, and each attempt that was not: sender.py USER PASSWORD"""
import select, smtplib, ssl, sys, time

user, password = sys.argv[1:]
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
number = 0
print("begins", flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    try:
        with smtplib.SMTP("127.0.0.1", 587, timeout=120) as client:
            client.starttls(context=trust)
            client.login(user, password)
            text = f"Subject: Number {number + 1} of a row\r\n\r\nhi\r\n"
            client.sendmail("al@localhost", ["al@localhost"], text)
            number += 1
    except Exception as error:
        print(f"failed at {number + 1}: {error!r}", flush=True)
print(f"sent {number}", flush=True)
