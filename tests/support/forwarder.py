"""An address that stays the same while the server behind it is started again at another one, as behind a balancer."""

import contextlib
import socket
import threading


class Forwarder:
    """Passes connections on to `port`, which may change; those that exist end with their server."""

    def __init__(self, port):
        self.port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._ends = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listening, *self._ends):
            end.close()

    def _accept(self):
        with contextlib.suppress(OSError):  # the end: it was shut down
            while True:
                near, _ = self._listening.accept()
                self._ends.append(near)
                try:
                    far = socket.create_connection(("127.0.0.1", self.port))
                except OSError:  # nobody listens there at the moment
                    near.shutdown(socket.SHUT_RDWR)
                    continue
                self._ends.append(far)
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._pump, args=pair))
                    self._threads[-1].start()

    @staticmethod
    def _pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
