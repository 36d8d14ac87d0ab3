"""A server in a process of its own, as `gmmlabel serve`, whose workers do what uploads say.

Its settings are in the environment, and the number of the socket that it listens on is an argument.
"""

if __name__ == "__main__":  # each worker imports this module again, and needs nothing of it
    import socket
    import sys

    import uvicorn
    from service.workers import misbehave

    from gmmlabel.api.app import create_app
    from gmmlabel.api.logs import configure
    from gmmlabel.api.serving import server_config
    from gmmlabel.api.settings import read_settings

    settings = read_settings()
    configure(settings.log)
    listener = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(server_config(create_app(settings, misbehave), settings)).run([listener])
