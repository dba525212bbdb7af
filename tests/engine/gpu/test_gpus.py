"""GPUs as the driver tells of them: the real binding on a driver that plays scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.clock import Clock
from engine.events import Event, GpuMinute, GpusNoted, GpusSampled
from engine.gpu.history import histories
from engine.gpu.leases import Holders
from engine.gpu.reader import Reader
from engine.gpu.reading import GpuProcess, GpuReading, Reading
from engine.gpu.sampler import Sampler
from tests.support.nvml import building

TWO = """driver 575.57
device 0 name=NVIDIA_H100_80GB util=97 used=40000 power=650 temp=71 throttle=0x24 ecc=0
device 1 name=NVIDIA_H100_80GB util=0 used=10
process 0 pid=4000000 memory=39000
"""


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return building.library(tmp_path_factory.mktemp("nvml"))


def readings(stub: Path, folder: Path, script: str, *waits: float) -> list[Reading]:
    """A reading at once and one after each wait, in one process."""
    file = folder / "script"
    file.write_text(script)
    code = (
        "import msgspec, time\nfrom engine.gpu.reader import Reader\nreader = Reader()\n"
        f"for wait in {(0.0, *waits)!r}:\n"
        "    time.sleep(wait)\n    print(msgspec.json.encode(reader.read()).decode())\n"
    )
    said = building.python(stub, file, code)
    return [msgspec.json.decode(line, type=Reading) for line in said.splitlines()]


def test_every_figure_is_read_with_its_unit(stub: Path, tmp_path: Path) -> None:
    (reading,) = readings(stub, tmp_path, TWO)
    assert (reading.driver, reading.trouble) == ("575.57", "")
    first, second = reading.gpus
    assert first.name == "NVIDIA H100 80GB"
    assert (first.utilization, first.memory_used) == (97, 40000 << 20)
    assert (first.power, first.power_limit, first.temperature) == (650.0, 700.0, 71)
    assert first.throttle == ("power cap", "thermal (software)")
    assert first.processes == (GpuProcess(4000000, 39000 << 20),)
    assert second.processes == ()
    assert second.throttle == ()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("driver missing\n", "the NVIDIA driver is not loaded; modprobe nvidia"),
        ("driver permission\n", "this user may not ask the NVIDIA driver"),
        ("driver ok\nerror nvmlDeviceGetCount 999\n", "the NVIDIA driver does not answer"),
    ],
)
def test_each_trouble_has_its_words(stub: Path, tmp_path: Path, script: str, words: str) -> None:
    (reading,) = readings(stub, tmp_path, script)
    assert words in reading.trouble
    assert reading.gpus == ()


def test_no_driver_and_no_device_are_no_errors(stub: Path, tmp_path: Path) -> None:
    assert "no NVIDIA driver" in Reader().read().trouble or Reader().read().gpus
    (reading,) = readings(stub, tmp_path, "driver ok\n")
    assert reading == Reading(driver="999.99")


def test_what_is_not_told_is_null_and_the_rest_stands(stub: Path, tmp_path: Path) -> None:
    script = TWO + "".join(
        f"error nvmlDeviceGet{name} 3\n"
        for name in ("PowerUsage", "Temperature", "TotalEccErrors", "ComputeRunningProcesses")
    )
    (reading,) = readings(stub, tmp_path, script)
    gpu = reading.gpus[0]
    assert (gpu.power, gpu.temperature, gpu.ecc, gpu.processes) == (None, None, None, None)
    assert gpu.utilization == 97


def test_a_card_for_computing_alone_tells_its_processes(stub: Path, tmp_path: Path) -> None:
    script = TWO + "error nvmlDeviceGetGraphicsRunningProcesses 3\n"
    (reading,) = readings(stub, tmp_path, script)
    assert reading.gpus[0].processes == (GpuProcess(4000000, 39000 << 20),)


def test_a_device_whose_handle_outlives_it_is_lost(stub: Path, tmp_path: Path) -> None:
    script = TWO + "at 0.3\nerror nvmlDeviceGetMemoryInfo 15\n"
    here, gone = readings(stub, tmp_path, script, 0.4)
    assert [g.standing for g in gone.gpus] == ["lost", "lost"]
    assert [g.uuid for g in gone.gpus] == [g.uuid for g in here.gpus]
    (first,) = readings(stub, tmp_path, TWO + "error nvmlDeviceGetMemoryInfo 15\n")
    assert [g.uuid for g in first.gpus] == [g.uuid for g in here.gpus]


def test_odd_answers_cost_one_field_alone(stub: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(
        b"driver ok\ndevice 0 name=H\xff util=5\nerror nvmlSystemGetDriverVersion 3\n"
    )
    code = (
        "from engine.gpu.reader import Reader\nreading = Reader().read()\n"
        "print(repr(reading.driver), reading.gpus[0].name, reading.gpus[0].utilization)\n"
    )
    assert building.python(stub, script, code) == "'' a GPU without a name 5\n"


def test_without_an_engine_a_driver_that_hangs_is_given_up(stub: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("driver ok\ndevice 0\nhang nvmlInit 3600\n")
    code = "from engine.offline import gpus\nprint(gpus.reading(0.2).trouble)\n"
    assert "has not answered" in building.python(stub, script, code)


def test_a_reader_that_raises_ends_no_sampler() -> None:
    answers = iter([ValueError("nonsense")])

    class Odd(Script):
        def read(self) -> Reading:
            for error in answers:
                raise error
            return super().read()

    reader = Odd(Reading(gpus=(gpu(utilization=7),)))
    sampler = Sampler(Clock(), lambda _: None, reader=reader, seconds=0.01)  # type: ignore[arg-type]
    sampler.start()
    until(lambda: sampler.latest().trouble.endswith("cannot be used: nonsense"))
    until(lambda: sampler.latest().gpus)
    sampler.stop()


def test_a_lost_device_and_a_driver_that_comes_back(stub: Path, tmp_path: Path) -> None:
    script = (
        TWO + "at 0.3\nlost 0\nat 0.6\ngone 0\nat 0.9\ndriver missing\nat 1.2\ndriver ok\nback 0\n"
    )
    here, lost, gone, missing, back = readings(stub, tmp_path, script, 0.4, 0.3, 0.3, 0.4)
    assert [g.standing for g in here.gpus] == ["ok", "ok"]
    assert [g.standing for g in lost.gpus] == ["lost", "ok"]
    assert "fell off the bus" in lost.gpus[0].trouble
    assert lost.gpus[0].uuid == here.gpus[0].uuid
    assert [(g.uuid, g.standing) for g in gone.gpus] == [
        (here.gpus[1].uuid, "ok"),
        (here.gpus[0].uuid, "lost"),
    ]
    assert "not loaded" in missing.trouble
    assert {g.standing for g in missing.gpus} == {"lost"}
    assert [g.standing for g in back.gpus] == ["ok", "ok"]
    assert back.trouble == ""


def test_a_device_that_was_taken_out_is_missed_for_ten_minutes_unless_it_is_held(
    stub: Path, tmp_path: Path
) -> None:
    file = tmp_path / "script"
    file.write_text(TWO + "device 2 name=NVIDIA_T4\n")
    (tmp_path / "gone").write_text(TWO + "gone 0\n")
    (tmp_path / "troubled").write_text(TWO + "gone 0\nerror nvmlDeviceGetHandleByIndex 999 1\n")
    (tmp_path / "back").write_text("device 0 name=NVIDIA_T4\n" + TWO + "order 1 0\n")
    code = (
        "import shutil\nfrom engine.gpu.reader import Reader\nnow, held = [0.0], set()\n"
        "reader = Reader(None, lambda uuid: uuid in held, now=lambda: now[0])\n"
        "seen = lambda: [(g.index, g.standing) for g in reader.read().gpus]\n"
        "print(seen())\nheld.add(reader.read().gpus[2].uuid)\n"
        "def plays(name):\n"
        f"    shutil.copy({str(tmp_path)!r} + '/' + name, {str(file)!r})\n"
        "plays('gone')\nprint(seen(), reader.read().gpus[-1].trouble[:27])\n"
        "now[0] = 599.0\nprint(seen())\nplays('troubled')\nnow[0] = 601.0\nprint(seen())\n"
        "plays('gone')\nprint(seen())\nheld.clear()\nprint(seen())\n"
        "plays('back')\nprint(seen())\n"
    )
    assert building.python(stub, file, code).splitlines() == [
        "[(0, 'ok'), (1, 'ok'), (2, 'ok')]",
        "[(0, 'ok'), (0, 'lost'), (2, 'lost')] it is no longer listed, sin",
        "[(0, 'ok'), (0, 'lost'), (2, 'lost')]",
        "[(0, 'silent'), (0, 'lost'), (2, 'lost')]",
        "[(0, 'ok'), (2, 'lost')]",
        "[(0, 'ok')]",
        "[(0, 'ok'), (1, 'ok')]",
    ]


def test_one_device_that_hangs_is_silent_and_holds_up_no_other(stub: Path, tmp_path: Path) -> None:
    """In the reading and in the list of what can be leased, where it counts for a minute more."""
    file = tmp_path / "script"
    three = "".join(f"device {n} uuid=GPU-{n} util=1{n}\\n" for n in range(3))
    code = (
        "import threading\nfrom pathlib import Path\nfrom engine.gpu.reader import Reader\n"
        f"from verifier.gpus import inventory\nscript = Path({str(file)!r})\n"
        "def plays(more=''):\n"
        f"    script.write_text('{three}' + more)\n"
        "reader = Reader()\n"
        "def look():\n"
        "    gpus, found = reader.read().gpus, inventory.present()\n"
        "    print([(g.uuid, g.standing, g.utilization) for g in gpus])\n"
        "    print([g.uuid for g in found.gpus], found.trouble[:63], found.silent)\n"
        "    return gpus\n"
        "plays()\nlook()\nplays('hang nvmlDeviceGetMemoryInfo 3600 1')\n"
        "first, second = look()[1].trouble, look()[1].trouble\n"
        "print(first == second, threading.active_count() < 5)\n"
        "inventory._HANG = 0.0\nlook()\n"
    )
    sound = "[('GPU-0', 'ok', 10), ('GPU-1', 'ok', 11), ('GPU-2', 'ok', 12)]"
    hung = "[('GPU-0', 'ok', 10), ('GPU-1', 'silent', None), ('GPU-2', 'ok', 12)]"
    said = "GPU 1 does not answer: a call to the driver has not returned si False"
    assert building.python(stub, file, code).splitlines() == [
        sound, "['GPU-0', 'GPU-1', 'GPU-2']  False",
        hung, f"['GPU-0', 'GPU-2', 'GPU-1'] {said}",
        hung, f"['GPU-0', 'GPU-2', 'GPU-1'] {said}",
        "True True",
        hung, f"['GPU-0', 'GPU-2'] {said}",
    ]  # fmt: skip


def test_slices_are_devices_of_their_own(stub: Path, tmp_path: Path) -> None:
    script = (
        "device 0 name=NVIDIA_A100\nslice 0 0 used=100 uuid=MIG-a\nslice 0 2 used=7 uuid=MIG-c\n"
        "process 0 pid=4000000 slice=2 memory=5\ndevice 1\nat 0.3\nmig 0 off\n"
    )
    cut, whole = readings(stub, tmp_path, script, 0.4)
    parent, first, second, other = cut.gpus
    assert (parent.slices, parent.parent, parent.utilization) == (2, "", None)
    assert [g.uuid for g in (first, second)] == ["MIG-a", "MIG-c"]
    assert {g.parent for g in (first, second)} == {parent.uuid}
    assert first.name == "NVIDIA A100 MIG 1g.10gb"
    assert (first.processes, second.processes) == ((), (GpuProcess(4000000, 5 << 20),))
    assert (second.memory_used, second.power, other.slices) == (7 << 20, None, None)
    assert [g.standing for g in whole.gpus] == ["ok", "ok"]  # what is cut no more is not lost
    assert whole.gpus[0].slices is None


def test_what_nvml_says_when_it_does_not_know_is_null(stub: Path, tmp_path: Path) -> None:
    nonsense = (
        "memory=none used=none util=none power=none limit=none temp=none sm=none mem=none "
        "minor=none throttle=none ecc=none corrected=none"
    )
    (reading,) = readings(
        stub,
        tmp_path,
        f"device 0 {nonsense}\nprocess 0 pid=1 memory=none\n"
        "device 1 memory=80 used=90 util=101 power=-5 limit=0 temp=-3\n",
    )
    for gpu in reading.gpus:
        assert gpu.standing == "ok"
        told = (gpu.utilization, gpu.memory_used, gpu.power, gpu.power_limit, gpu.temperature)
        assert told == (None,) * 5
    first = reading.gpus[0]
    assert (first.sm_clock, first.memory_clock, first.ecc, first.ecc_corrected) == (None,) * 4
    assert first.throttle == () and first.memory_total is None
    assert first.processes is not None and first.processes[0].memory is None


def test_an_older_driver_is_asked_as_it_was(stub: Path, tmp_path: Path) -> None:
    lacks = (
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetMigMode",
    )
    script = TWO + "".join(f"error {name} 13\n" for name in lacks)
    (reading,) = readings(stub, tmp_path, script)
    assert reading.gpus[0].processes == (GpuProcess(4000000, 39000 << 20),)
    assert reading.gpus[0].throttle == ("power cap", "thermal (software)")


def test_a_driver_that_comes_back_with_another_order_is_the_same_devices(
    stub: Path, tmp_path: Path
) -> None:
    script = TWO + (
        "at 0.3\ndriver missing\nat 0.6\ndriver ok\norder 1 0\n"
        "error nvmlDeviceGetHandleByIndex 15 1\n"
    )
    before, _, after = readings(stub, tmp_path, script, 0.4, 0.4)
    first, second = before.gpus
    found = {gpu.uuid: gpu for gpu in after.gpus}
    assert found[first.uuid].standing == "ok" and found[first.uuid].index == 1
    assert found[second.uuid].standing == "lost"
    assert len(after.gpus) == 2


@pytest.mark.parametrize("count", ["4294967295", "40"])
def test_a_count_that_cannot_be_ends_no_reading(stub: Path, tmp_path: Path, count: str) -> None:
    (reading,) = readings(stub, tmp_path, TWO + f"count {count}\n")
    assert [gpu.standing for gpu in reading.gpus[:2]] == ["ok", "ok"]
    assert len(reading.gpus) <= 64
    assert bool(reading.trouble) == (len(count) > 2)


def test_thousands_of_processes_are_counted_and_the_largest_listed(
    stub: Path, tmp_path: Path
) -> None:
    script = "device 0\nprocesses 0 5000 pid=4000000\nprocess 0 pid=4100000 memory=99\n"
    (reading,) = readings(stub, tmp_path, script)
    (gpu,) = reading.gpus
    assert gpu.processes is not None and len(gpu.processes) == 32
    assert gpu.processes[-1] == GpuProcess(4100000, 99 << 20)
    assert gpu.processes_more == 5001 - 32


def test_errors_of_a_device_are_heard_while_it_is_read(stub: Path, tmp_path: Path) -> None:
    """The thread that waits holds up no reading, also where waiting hangs."""
    file = tmp_path / "script"
    file.write_text(TWO + "slice 1 0 gi=7\nxid 0 48\nxid 1 4711 slice=0\n")
    code = (
        "import time\nfrom pathlib import Path\nfrom engine.gpu.reader import Reader\n"
        "from engine.gpu.xids import Xids\nreader = Reader(Xids())\n"
        "def until(true):\n"
        "    end = time.monotonic() + 20\n"
        "    while not true(reader.read().gpus) and time.monotonic() < end: time.sleep(0.02)\n"
        "until(lambda gpus: all(gpu.xids for gpu in gpus))\n"
        "print(*(x.words for gpu in reader.read().gpus[:2] for x in gpu.xids), sep='\\n')\n"
        f"Path({str(file)!r}).write_text('device 0\\nhang nvmlEventSetWait 600\\n')\n"
        "began = time.monotonic()\n"
        "print([reader.read().gpus[0].standing for _ in range(3)], time.monotonic() - began < 60)\n"
        "reader.close()\n"
    )
    assert building.python(stub, file, code).splitlines() == [
        "Xid 48: a memory error that cannot be corrected",
        "Xid 4711 (GPU instance 7)",
        "['ok', 'ok', 'ok'] True",
    ]


class Script:
    """A reader that gives what it is told to, or hangs."""

    def __init__(self, *readings: Reading, hang: float = 0.0) -> None:
        self.readings = list(readings)
        self.hang = hang
        self.closed = False

    def read(self) -> Reading:
        time.sleep(self.hang)
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def close(self) -> None:
        self.closed = True


def gpu(**facts: Any) -> GpuReading:
    return GpuReading(**{"index": 0, "uuid": "GPU-a", "name": "H100", **facts})


def until(true: Any) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_minutes_are_coalesced_and_changes_are_told_once() -> None:
    noted: list[Any] = []
    script = [
        *(Reading(gpus=(gpu(utilization=use, power=100.0 + use),)) for use in (10, 20, 90)),
        *(Reading(gpus=(gpu(standing="lost", trouble="gone"),)) for _ in range(3)),
        Reading(gpus=(gpu(utilization=50),)),
    ]
    sampler = Sampler(Clock(), noted.append, reader=Script(*script), seconds=0.01)  # type: ignore[arg-type]
    sampler.start()
    until(lambda: any(isinstance(one, GpusSampled) for one in noted))
    sampler.stop()
    states = [(one.device, one.state) for one in noted if isinstance(one, GpusNoted)]
    assert states == [("GPU-a", "lost: gone"), ("GPU-a", "ok")]
    minute = next(one for one in noted if isinstance(one, GpusSampled))
    (row,) = minute.gpus
    assert row.utilization is not None
    assert (row.utilization[0], row.utilization[2]) == (10.0, 90.0)
    assert row.power == (110.0, 140.0, 190.0)
    assert row.memory is None


def test_a_device_that_is_missed_no_more_is_told_so() -> None:
    noted: list[Any] = []
    lost = gpu(uuid="GPU-b", standing="lost", trouble="gone")
    script = [*[Reading(gpus=(gpu(), lost))] * 20, Reading(gpus=(gpu(),))]
    sampler = Sampler(Clock(), noted.append, reader=Script(*script), seconds=0.01)  # type: ignore[arg-type]
    sampler.start()
    until(lambda: any(isinstance(one, GpusNoted) and "longer" in one.state for one in noted))
    sampler.stop()
    states = [(one.device, one.state) for one in noted if isinstance(one, GpusNoted)]
    assert states == [("GPU-b", "lost: gone"), ("GPU-b", "no longer there")]


def test_a_device_that_flaps_fills_no_journal() -> None:
    noted: list[Any] = []
    states = [
        Reading(gpus=(gpu(throttle=("thermal (hardware)",) if n % 2 else (), ecc=n),))
        for n in range(200)
    ]
    script = Script(*states)
    sampler = Sampler(Clock(), noted.append, reader=script, seconds=0.005)  # type: ignore[arg-type]
    sampler.start()
    until(lambda: len(script.readings) == 1)
    sampler.stop()
    assert 1 <= sum(isinstance(one, GpusNoted) for one in noted) <= 40


def test_a_lease_without_use_is_timed_from_its_grant() -> None:
    now, held = [100.0], Holders({"GPU-a": ("s-1",)})
    clock = Clock(boot=lambda: "b", now=lambda: now[0], wall=lambda: 0.0)
    reader = Script(Reading(gpus=(gpu(utilization=0),)))
    sampler = Sampler(
        clock,
        lambda _: None,
        reader=reader,
        seconds=0.005,
        leases=lambda: held,  # type: ignore[arg-type]
    )
    sampler.start()
    until(lambda: sampler.latest().gpus)
    now[0] += 300
    until(lambda: sampler.latest().gpus and sampler.latest().gpus[0].idle_seconds == 300.0)
    assert sampler.latest().gpus[0].leases == ("s-1",)
    held = Holders({"GPU-a": ("s-2",)})
    until(lambda: sampler.latest().gpus[0].idle_seconds == 0.0)
    now[0] += 7
    until(lambda: sampler.latest().gpus[0].idle_seconds == 7.0)
    reader.readings = [Reading(gpus=(gpu(utilization=90),))]
    until(lambda: sampler.latest().gpus[0].idle_seconds == 0.0)
    sampler.stop()


def test_a_history_is_in_parts_of_the_time_that_it_spans() -> None:
    readings = [
        (899.0, Reading(gpus=(gpu(utilization=5),))),
        (61.0, Reading(gpus=(gpu(utilization=9),))),
        (0.5, Reading(gpus=(gpu(utilization=3), gpu(uuid="GPU-b", standing="lost")))),
        (0.2, Reading(gpus=(gpu(utilization=8),))),
        (901.0, Reading(gpus=(gpu(utilization=100),))),
    ]
    found = histories(readings, 900.0, parts=15)
    assert found.keys() == {"GPU-a"}
    assert found["GPU-a"]["utilization"] == [5, *[None] * 12, 9, 8]
    assert found["GPU-a"]["power"] == [None] * 15


def test_the_minutes_before_an_engine_are_in_its_history() -> None:
    minute = GpusSampled(
        seconds=60.0, gpus=(GpuMinute(uuid="GPU-a", utilization=(1.0, 5.0, 9.0), memory=None,
                                      power=None, temperature=None),)
    )  # fmt: skip
    clock = Clock(boot=lambda: "b", now=lambda: 1000.0, wall=lambda: 5000.0)
    asked: list[tuple[str, int]] = []

    def earlier(kind: str, among: int) -> list[Event]:
        asked.append((kind, among))
        return [Event("e", n, at, "x", 0.0, None, minute) for n, at in ((1, 3000.0), (2, 4700.0))]

    sampler = Sampler(
        clock, lambda _: None, reader=Script(Reading(gpus=(gpu(utilization=7),))),  # type: ignore[arg-type]
        seconds=0.01, earlier=earlier,
    )  # fmt: skip
    sampler.start()
    until(lambda: sampler.latest().gpus)
    time.sleep(0.05)
    sampler.stop()
    assert asked == [("gpu.sampled", 20_000)]
    found = sampler.history(900.0)["GPU-a"]["utilization"]
    assert found[-1] == 7 and {9, None} <= set(found)
    assert found.index(9) == 120 - 1 - int(354 * 120 / 900)


def test_a_driver_that_hangs_is_said_and_blocks_nobody() -> None:
    now = [100.0]
    clock = Clock(boot=lambda: "b", now=lambda: now[0], wall=lambda: 0.0)
    reader = Script(Reading(gpus=(gpu(utilization=1),)), hang=0.3)
    sampler = Sampler(clock, lambda _: None, reader=reader, seconds=0.01)  # type: ignore[arg-type]
    sampler.start()
    now[0] += 9.0
    assert sampler.latest().trouble == "the NVIDIA driver has not answered for 9 s"
    sampler.stop()
    assert reader.closed


def test_a_machine_without_gpus_is_asked_rarely_and_journals_nothing() -> None:
    noted: list[Any] = []
    script = Script(Reading(trouble="this machine has no NVIDIA driver"))
    asked: list[float] = []
    read = script.read
    script.read = lambda: (asked.append(time.monotonic()), read())[1]  # type: ignore[method-assign]
    sampler = Sampler(Clock(), noted.append, reader=script, seconds=0.05)  # type: ignore[arg-type]
    sampler.start()
    time.sleep(0.5)
    sampler.stop()
    assert len(asked) == 1
    assert noted == []


def test_a_process_is_known_by_its_pid_namespace() -> None:
    inode = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
    processes = (GpuProcess(os.getpid(), 5), GpuProcess(4_000_000, 6))
    reader = Script(Reading(gpus=(gpu(processes=processes),)))
    sampler = Sampler(
        Clock(),
        lambda _: None,
        sessions={inode: "s-1"}.get,
        reader=reader,  # type: ignore[arg-type]
        seconds=0.01,
    )
    sampler.start()
    until(lambda: sampler.latest().gpus)
    sampler.stop()
    (found,) = sampler.latest().gpus
    assert found.processes == (GpuProcess(os.getpid(), 5, "s-1"), GpuProcess(4_000_000, 6, None))


def test_the_command_prints_them_and_without_any_the_reason(stub: Path, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(TWO + "lost 1\n")

    def autolab(*line: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "autolab_tui", *line, "--state", str(tmp_path / "state")],
            env=building.environ(stub, file),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    said = autolab("gpus")
    for word in ("NVIDIA H100 80GB", "97%", "39.1/80 GiB", "power cap", "pid 4000000", "lost:"):
        assert word in said
    found = json.loads(autolab("gpus", "--json"))
    assert found["schema"] == "autolab/gpus/1"
    assert [one["standing"] for one in found["gpus"]] == ["ok", "lost"]
    file.write_text("driver missing\n")
    assert "modprobe" in autolab("gpus")
    file.write_text("device 0 name=A%1b[31m%C2%9b\ndevice 1 name=A\nprocesses 1 9 pid=4000000\n")
    said = autolab("gpus")
    assert "pid 4000002 0.0 GiB and 6 more" in said
    assert "\x1b" not in said and "\x9b" not in said
    file.write_text("driver error 18\n")
    assert "MEND  nvidia driver      the NVIDIA driver is loaded in another" in autolab(
        "doctor", code=3
    )


def test_an_engine_tells_of_its_gpus(stub: Path, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(TWO)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom engine.client import connect\n"
        f"client = connect(Path({str(tmp_path / 'state')!r}))\n"
        "for _ in range(200):\n"
        "    answer = client.gpus(60)\n"
        "    if len(answer['history']) > 1: break\n"
        "    time.sleep(0.1)\n"
        "client.shutdown()\n"
        "print(answer['reading']['gpus'][0]['utilization'], len(answer['history']) > 1)\n"
    )
    assert building.python(stub, file, code).split() == ["97", "True"]


@pytest.mark.slow
def test_the_doctor_names_what_a_machine_with_a_gpu_lacks(stub: Path, tmp_path: Path) -> None:
    """Of a driver without nodes, of one that is older than nvcc, and of one that has everything."""
    file, dev = tmp_path / "script", tmp_path / "dev"
    dev.mkdir()
    libraries = tmp_path / "libraries"
    shutil.copytree(stub, libraries)
    nothing = ["gcc", "-shared", "-x", "c", "/dev/null", "-o"]

    def doctor() -> dict[str, tuple[bool, str, str | None]]:
        env = {**building.environ(libraries, file), "AUTOLAB_DEV": str(dev)}
        line = [sys.executable, "-m", "autolab_tui", "doctor", "--json", "--state", str(tmp_path)]
        done = subprocess.run(
            line, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        checks = json.loads(done.stdout)["checks"]
        return {c["name"]: (c["ok"], c["found"], c["remedy"]) for c in checks}

    file.write_text("driver 550.54\ncuda 11080\ndevice 0 name=NVIDIA_H100\n")
    said = doctor()
    assert said["nvidia driver"] == (True, "550.54, CUDA 11.8", None)
    ok, found, remedy = said["gpu nodes"]
    assert not ok and "nvidiactl is missing" in found and "nvidia-modprobe" in str(remedy)
    assert not said["libcuda"][0] and "NVIDIA_DRIVER_CAPABILITIES" in str(said["libcuda"][2])
    if shutil.which("nvcc"):
        ok, found, remedy = said["cuda toolkit"]
        assert not ok and "the driver loads what CUDA 11 made" in found and remedy
    assert "to mend first: gpu nodes, libcuda" in said["gpu tasks"][1]
    for name in ("nvidiactl", "nvidia-uvm", "nvidia0"):
        (dev / name).symlink_to("/dev/null")
    subprocess.run([*nothing, str(libraries / "libcuda.so.1")], check=True)
    file.write_text("driver 580.1\ncuda 13000\ndevice 0 name=NVIDIA_H100\n")
    said = doctor()
    assert said["gpu nodes"][:2] == (True, "all there, and open")
    assert said["libcuda"][0] and said["cuda toolkit"][0] == (shutil.which("nvcc") is not None)
