"""wrk, a load generator in C: it takes less of the processors that it shares with the server than a client in Python.

It is a program of its own (in Debian the package wrk), and asked for only where it is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SCRIPT = """
local images, number = {}, 0
function init(args)
  local file = io.open(args[1], "rb")
  for size in string.gmatch(args[2], "%d+") do pictures[#pictures + 1] = file:read(tonumber(size)) end
  file:close()
end
function request()
  number = number % #pictures + 1
  return wrk.format("POST", "/predict", {["Content-Type"] = "image/png"}, pictures[number])
end
"""


def is_installed() -> bool:
    """Returns whether there is one."""
    return shutil.which("wrk") is not None


def rate(port: int, pictures: Sequence[bytes], clients: int, seconds: int, folder: Path) -> float:
    """Returns requests a second, each client sending its next image when it has its prediction.

    Raises:
        RuntimeError: a reply was no prediction.
    """
    script, held = folder / "pictures.lua", folder / "pictures.bin"
    script.write_text(SCRIPT)
    held.write_bytes(b"".join(pictures))
    sizes = ",".join(str(len(one)) for one in pictures)
    words = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    said = subprocess.run([*words, "--", str(held), sizes], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None  # noqa: S101
    return float(found[1])
