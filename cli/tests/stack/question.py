"""Runs a command at a terminal of its own, types Ctrl-C where it asks, and prints what was shown and how it ended, as JSON.

The first argument is the folder that it is started in.
"""

import fcntl
import json
import os
import pty
import select
import sys
import termios
import time

folder, command = sys.argv[1], sys.argv[2:]
process, terminal = pty.fork()
if process == 0:
    os.chdir(folder)
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, (40).to_bytes(2, sys.byteorder) + (200).to_bytes(2, sys.byteorder) + bytes(4))
shown, asked, deadline = "", False, time.monotonic() + 60
while time.monotonic() < deadline:
    if select.select([terminal], [], [], 1)[0]:
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            # Linux's way to say that nobody has the other end open any more.
            break
    if not asked and "[y/N]" in shown:
        asked = True
        os.write(terminal, b"\x03")
else:
    os.kill(process, 9)
code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
print(json.dumps({"shown": shown.replace("\r\n", "\n"), "code": code}))
