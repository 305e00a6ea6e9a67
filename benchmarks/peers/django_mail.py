"""Django's `send_mail`, one call an email.

python -m benchmarks.peers.django_mail PORT COUNT
"""

import sys
import time

from django.conf import settings
from django.core.mail import send_mail

if __name__ == "__main__":
    port, count = int(sys.argv[1]), int(sys.argv[2])
    settings.configure(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
    )
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        send_mail(
            "New in the shop: Lamp",
            "Gives light. " * 50,
            "Shop <news@shop.example>",
            [f"user-{number}@shop.example"],
            html_message="<p>Gives light.</p>" * 50,
        )
    print(count, time.perf_counter() - began, time.process_time() - cpu)
