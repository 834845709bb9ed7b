"""A mail server in the lab's internet: ``python -m tests.cluster.mail_receiver ADDRESS FOLDER``.

It prints the port that it has chosen. Each mail becomes a file in the folder, numbered from 1 on.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from tests.fakes.mail_sinks import serve_mail


def main(address: str, folder: Path) -> None:
    """Serve until killed."""
    with serve_mail(place=(address, 0)) as sink:
        print(sink.port, flush=True)
        for number in itertools.count(1):
            mail = sink.wait_for(number, patience=86_400.0)[number - 1]
            written = folder / f"{number}.part"
            written.write_bytes(mail.message.as_bytes())
            written.rename(folder / f"{number}.eml")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
