"""The map in the docstring of accel.kernels names every folder, and every file that it does not leave out."""
import re

import accel.kernels
from accel.kernels import cuda


def test_the_map_names_every_folder_and_file():
    root = cuda.ROOT / "kernels"
    named, folder = set(), ""
    for indent, name in re.findall(r"^( +)([\w./]+) {2,}\S", accel.kernels.__doc__, re.MULTILINE):
        folder = name if len(indent) == 4 and name.endswith("/") else "" if len(indent) == 4 else folder
        named.add(name if len(indent) == 4 else folder + name)
    found = {f"{path.name}/" for path in root.iterdir() if path.is_dir() and path.name != "__pycache__"}
    for path in root.rglob("*"):
        name, own = path.relative_to(root), f"{path.parent.name}.cu"
        if path.suffix in (".cu", ".cuh") and path.name != own:
            found.add(str(name))
        elif path.suffix == ".py" and path.name not in ("__init__.py", "launch.py"):
            found.add(str(name.with_suffix("")))
    assert named == found
