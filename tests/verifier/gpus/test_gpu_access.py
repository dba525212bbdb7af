"""What of a GPU a sandbox is given: the nodes of that device, and of no other."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.verifier.sandbox.conftest import Lab
from verifier.gpus import looking
from verifier.gpus.access import Access, NodeMissingError, access_to, libraries
from verifier.gpus.device import Gpu
from verifier.sandbox.arguments import arguments
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.spec import Device, SandboxSpec

NULL, ZERO, FULL = "/dev/null", "/dev/zero", "/dev/full"
NODES = {
    "nvidiactl": NULL, "nvidia-uvm": NULL, "nvidia-uvm-tools": NULL, "nvidia0": ZERO,
    "nvidia1": FULL, "nvidia-caps/nvidia-cap3": NULL, "nvidia-caps/nvidia-cap4": NULL,
}  # fmt: skip
WIRING = ["bus", "class", "dev", "devices", "kernel", "module"]
FIRST, SECOND = Gpu("GPU-a", "NVIDIA A100", 0), Gpu("GPU-b", "NVIDIA A100", 1)
SLICE = Gpu("MIG-a", "NVIDIA A100 MIG 1g.5gb", 1, capabilities=(3,), parent="GPU-b")


@pytest.fixture
def dev():
    """Device nodes as a machine with two GPUs has them, but links to /dev/null and the like."""
    folder = Path(tempfile.mkdtemp(prefix="autolab-dev-"))
    folder.chmod(0o755)
    (folder / "nvidia-caps").mkdir()
    try:
        for name, device in NODES.items():
            (folder / name).symlink_to(device)
        yield folder
    finally:
        shutil.rmtree(folder)


def look(access: Access) -> str:
    lab = Lab(Bubblewrap())
    try:
        ran = lab.run(list(looking.ARGV), access.grant(lab.spec()))
    finally:
        for process in lab.started:
            process.kill()
    assert ran.exit.code == 0, ran
    return ran.out


@pytest.mark.parametrize(
    ("gpus", "own"),
    [
        ([FIRST], ["nvidia0"]),
        ([SECOND], ["nvidia1"]),
        ([SLICE], ["nvidia1", "nvidia-caps/nvidia-cap3"]),
    ],
)
def test_a_sandbox_has_the_nodes_of_its_own_device_only(dev, gpus, own):
    access = access_to(gpus, dev)
    seen = look(access)
    nodes = {path for path, *_ in json.loads(seen) if "nvidia" in path}
    common = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"]
    assert nodes == {f"/dev/{name}" for name in (*common, *own)}
    assert looking.problem(seen, access) is None


def test_nobody_inside_can_make_the_node_of_another_device(dev):
    access = access_to([FIRST], dev)
    lab = Lab(Bubblewrap())
    script = (
        "import os, stat\n"
        "for path in ('/dev/nvidia1', '/tmp/nvidia1', '/app1'):\n"
        "    try: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(195, 1)); print('made', path)\n"
        "    except OSError: print('no')\n"
        "with open('/dev/nvidia0', 'rb') as node: print(node.read(3))\n"
        "print(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    ran = lab.run(["/usr/bin/python3", "-c", script], access.grant(lab.spec()))
    assert ran.out.split("\n")[:5] == ["no", "no", "no", r"b'\x00\x00\x00'", "GPU-a"], ran


def test_how_the_machine_is_wired_can_be_read_and_nothing_of_control_groups(dev):
    lab = Lab(Bubblewrap())
    script = (
        "import os\n"
        "print(open('/sys/devices/system/cpu/online').read().strip())\n"
        "print(sorted(os.listdir('/sys')))\n"
        "print(os.path.exists('/sys/fs'), os.path.exists('/sys/firmware'))\n"
        "try: open('/sys/module/kernel/parameters/panic', 'w')\n"
        "except OSError as error: print('shut')\n"
    )
    ran = lab.run(["/usr/bin/python3", "-c", script], access_to([FIRST], dev).grant(lab.spec()))
    online = Path("/sys/devices/system/cpu/online").read_text().strip()
    assert ran.out.splitlines() == [online, str(WIRING), "False False", "shut"], ran
    ran = lab.run(["/usr/bin/python3", "-c", "import os; print(os.path.exists('/sys'))"])
    assert ran.out == "False\n"


def test_without_a_grant_there_is_no_node_at_all(dev):
    seen = look(Access())
    assert looking.problem(seen, Access()) is None
    assert looking.problem(seen, access_to([FIRST], dev)) == (
        "the granted device node /dev/nvidiactl is not there"
    )


def test_a_node_too_many_or_another_device_is_told(dev):
    both = look(access_to([FIRST, SECOND], dev))
    assert looking.problem(both, access_to([FIRST], dev)) == (
        "it has device nodes that were not granted: /dev/nvidia1"
    )
    access = access_to([FIRST], dev)
    swapped = [
        (str(dev / "nvidia1") if target == "/dev/nvidia0" else source, target)
        for source, target in access.nodes
    ]
    seen = look(Access(uuids=access.uuids, nodes=tuple(swapped)))
    assert looking.problem(seen, access) == "/dev/nvidia0 is another device than the host's"
    assert "nothing of use" in (looking.problem("{}[", access) or "")
    shut = json.dumps([[path, a, b, "Permission denied"] for path, a, b, _ in json.loads(seen)])
    assert "does not open: Permission denied" in (
        looking.problem(shut, Access(access.uuids, tuple(swapped))) or ""
    )


def test_a_missing_node_is_named_with_the_remedy(tmp_path):
    with pytest.raises(NodeMissingError, match=r"nvidiactl is missing; run as root: nvidia-mod"):
        access_to([FIRST], tmp_path)
    spec = SandboxSpec("x", "run", devices=(Device(tmp_path / "nvidia0", "/dev/nvidia0"),))
    with pytest.raises(ValueError, match="nvidia0 is missing, or is none"):
        Bubblewrap().launch(spec, ["/bin/true"])
    spec = SandboxSpec("x", "run", devices=(Device(Path("/dev/null"), "/dev/../etc/x"),))
    with pytest.raises(ValueError, match="must be below /dev"):
        Bubblewrap().launch(spec, ["/bin/true"])


def test_nodes_are_bound_before_dev_is_closed():
    spec = SandboxSpec("x", "run", devices=(Device(Path("/dev/null"), "/dev/nvidia0"),))
    fds = dict.fromkeys(("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts"), 9)
    args = arguments(spec, data_fds=fds, seccomp_fd=3, info_fd=4, status_fd=5, block_fd=None)
    at = args.index("--dev-bind")
    assert args[at + 1 : at + 3] == ["/dev/null", "/dev/nvidia0"]
    assert args.index("--dev") < at < args.index("--remount-ro")
    assert "--dev-bind" not in arguments(
        SandboxSpec("x", "run"), data_fds=fds, seccomp_fd=3, info_fd=4, status_fd=5, block_fd=None
    )


def test_libraries_outside_usr_are_mounted_where_the_loader_finds_them():
    cache = (
        "3 libs found in cache `/etc/ld.so.cache'\n"
        "\tlibcuda.so.1 (libc6,x86-64) => /opt/driver/libcuda.so.1\n"
        "\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1\n"
        "\tlibnvidia-ml.so.1 (libc6,x86-64) => /opt/driver/libnvidia-ml.so.1\n"
        "\tlibsecret.so.1 (libc6,x86-64) => /opt/driver/libsecret.so.1\n"
    )
    assert libraries(cache) == ("/opt/driver/libcuda.so.1", "/opt/driver/libnvidia-ml.so.1")
