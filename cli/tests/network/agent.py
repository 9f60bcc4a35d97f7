"""Builds a topology out of network namespaces and tries TCP connections in it. One request a line on standard input, one answer a line on
standard output. The namespaces have no names: they hang on descriptors of this process, and go with it whatever ends it.
"""
import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
# Connections at a time: each takes a descriptor here and one behind the listener.
AT_ONCE = 400
# Connections that a listener holds whose last packet is still to come: those whose answers are lost stay for a while.
BACKLOG = 4096
# Seconds after which a request has failed, however busy the machine is.
PATIENCE = 120
# Seconds that a listener has to show a connection whose other end is already there.
SHOWN_WITHIN = 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter(space):
    check(libc.setns(space, CLONE_NEWNET))


def run(command, text):
    # The namespaces are named by descriptors that the command inherits.
    done = subprocess.run(command, input=text, text=True, close_fds=False, capture_output=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def new_space(settings):
    check(libc.unshare(CLONE_NEWNET))
    space = os.open("/proc/self/ns/net", os.O_RDONLY)
    os.set_inheritable(space, True)
    # What a new namespace has of these depends on the machine.
    for name, value in settings.items():
        with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
            file.write(value)
    return space


class World:
    def __init__(self, home, request):
        self.home = home
        self.spaces = {}
        self.listeners = {}
        try:
            for space in request["spaces"]:
                self.spaces[space["name"]] = new_space(space["settings"])
            enter(home)
            wires = request["wires"]
            for name, space in self.spaces.items():
                wires = wires.replace(f"@{name}@", f"/proc/self/fd/{space}")
            run(["ip", "-batch", "-"], wires)
            for space in request["spaces"]:
                enter(self.spaces[space["name"]])
                run(["ip", "-batch", "-"], space["ip"])
                if space["nft"]:
                    run(["nft", "-f", "-"], space["nft"])
                if space["listen"]:
                    listener = socket.socket()
                    listener.bind(("0.0.0.0", space["listen"]))
                    listener.listen(BACKLOG)
                    listener.setblocking(False)
                    self.listeners[space["name"]] = listener
        except BaseException:
            self.close()
            raise
        enter(home)

    def connect(self, tries, bound):
        said = []
        for start in range(0, len(tries), AT_ONCE):
            said += self.connect_some(tries[start : start + AT_ONCE], bound)
        return said

    def connect_some(self, tries, bound):
        said = ["silence"] * len(tries)
        pending = {}
        opened = []
        poll = select.epoll()
        for number, (space, source, source_port, _, destination, port) in enumerate(tries):
            enter(self.spaces[space])
            client = socket.socket()
            opened.append(client)
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Gone at once when closed: nothing of it lingers.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.bind((source, source_port))
            failed = client.connect_ex((destination, port))
            if failed in (0, errno.EINPROGRESS):
                pending[client.fileno()] = (number, client)
                poll.register(client.fileno(), select.EPOLLOUT)
            else:
                said[number] = errno.errorcode.get(failed, str(failed))
        enter(self.home)
        reached = {}
        end = time.monotonic() + bound
        while pending and (left := end - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left):
                number, client = pending.pop(descriptor)
                poll.unregister(descriptor)
                failed = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                said[number] = errno.errorcode.get(failed, str(failed)) if failed else "elsewhere"
                if not failed:
                    _, source, source_port, at, destination, port = tries[number]
                    reached[(at, source, source_port, destination, port)] = number
        poll.close()
        # Who answered is whom it was meant for: addresses of two networks may be the same.
        end = time.monotonic() + SHOWN_WITHIN
        accepted = []
        while reached and (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select(list(self.listeners.values()), [], [], left)
            for at, listener in self.listeners.items():
                if listener not in ready:
                    continue
                try:
                    server, peer = listener.accept()
                except BlockingIOError:
                    continue
                accepted.append(server)
                number = reached.pop((at, *peer, *server.getsockname()), None)
                if number is not None:
                    said[number] = "connected"
        for one in opened + accepted:
            one.close()
        return said

    def close(self):
        enter(self.home)
        for one in self.listeners.values():
            one.close()
        for space in self.spaces.values():
            os.close(space)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    world = None
    for line in sys.stdin:
        signal.alarm(PATIENCE)
        request = json.loads(line)
        answer = {"trouble": None, "said": []}
        try:
            if request["do"] == "build":
                if world is not None:
                    world.close()
                    world = None
                world = World(home, request)
            else:
                answer["said"] = world.connect(request["tries"], request["bound"])
        except Exception as error:
            answer["trouble"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)
        signal.alarm(0)


main()
