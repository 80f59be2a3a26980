"""The Prefect server of one run, as its own process. Run as a script; `flows.engines.server` starts and ends it.

It talks with its parent over two pipes. On standard output it says the port it listens on and then ``ready``. It lives
as long as its standard input stays open, so it ends with the parent however that ends, SIGKILL included: nothing is
left behind. What it logs goes to a file.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading


def _end_with_parent() -> None:
    # At once and not in good order: the parent has seen to it that its run is recorded, SQLite survives it, and
    # Prefect's own order of ending cancels its services in the middle of their last writes and complains at length.
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    services, port = sys.argv[1], int(sys.argv[2])
    # Named as TCP, asyncio sends answers at once; else each waits 40 ms for the acknowledgement of its first half.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    threading.Thread(target=_end_with_parent, daemon=True).start()

    gc.disable()  # what is imported stays, and looking for garbage in it takes a tenth of the start
    import uvicorn
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    app = create_app(ephemeral=services == "ephemeral", final=True)
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if not self.should_exit:
                print("ready", flush=True)  # noqa: T201

    Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
