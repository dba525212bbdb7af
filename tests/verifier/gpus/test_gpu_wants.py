"""Which device counts as which type, and when a machine cannot run a task."""

from __future__ import annotations

import pytest

from verifier.gpus.device import Gpu, Want, is_of_type, why_not_here


@pytest.mark.parametrize(
    ("name", "kind", "counts"),
    [
        ("NVIDIA H100 80GB HBM3", "H100", True),
        ("NVIDIA H100 80GB HBM3", "h100-80gb", True),
        ("NVIDIA A100-SXM4-80GB", "A100_80GB", True),
        ("NVIDIA A100-SXM4-80GB", "A10", False),
        ("NVIDIA L40S", "L4", False),
        ("Tesla T4", "T4", True),
        ("NVIDIA GeForce RTX 4090", "RTX 4090", True),
        ("NVIDIA H100", "", False),
    ],
)
def test_a_type_is_words_of_the_devices_name(name, kind, counts):
    assert is_of_type(Gpu("GPU-1", name, 0), kind) is counts


def test_a_slice_is_not_the_gpu_that_it_is_on():
    slice_ = Gpu("MIG-1", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", 0, parent="GPU-1")
    assert not is_of_type(slice_, "A100")
    assert is_of_type(slice_, "MIG 1g.5gb")
    assert Want(1).fits(slice_)


def test_why_a_machine_cannot_run_a_task():
    one = [Gpu("GPU-1", "NVIDIA A100", 0)]
    assert why_not_here(Want(0), []) is None
    assert why_not_here(Want(1, ("A100", "H100")), one) is None
    assert why_not_here(Want(2), one) == ("it needs 2 GPUs, and this machine has 1 NVIDIA A100")
    assert why_not_here(Want(1, ("H100", "H200")), one) == (
        "it needs 1 GPU of type H100 or H200, and this machine has 1 NVIDIA A100"
    )
    assert why_not_here(Want(1), []) == "it needs 1 GPU, and this machine has no NVIDIA GPU"
    assert why_not_here(Want(1), [], "the NVIDIA driver is not loaded") == (
        "it needs 1 GPU, and the NVIDIA driver is not loaded"
    )
