"""A signal that lets the step at hand end."""

import signal
import threading
from types import FrameType


class Stop:
    """Once it listens, until its block ends, a first signal to end only sets `number`."""

    SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, object] = {}

    def listen(self) -> None:
        """Take over the signals that are not ignored (as under nohup)."""
        if threading.current_thread() is threading.main_thread():  # others may not set handlers
            for number in (getattr(signal, name) for name in self.SIGNALS if hasattr(signal, name)):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)

    def __enter__(self) -> "Stop":
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self.__exit__()
