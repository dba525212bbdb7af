from __future__ import annotations

import itertools

import pytest

from verifier.sandbox import uids

WHOLE = "         0          0 4294967295\n"
CONTAINER = "         0     100000      65536\n"
SINGLE = "         0       1000          1\n"
ROLES = ("agent", "build", "run", "judge")


@pytest.mark.parametrize("text", [WHOLE, CONTAINER])
def test_as_root_no_two_roles_or_slots_share_a_uid(text):
    identity = uids.choose(0, text, text)
    assert identity.level == "full"
    numbers = [identity.host_uid(r, s) for r, s in itertools.product(ROLES, range(uids.SLOTS))]
    assert len(set(numbers)) == len(numbers)
    assert all(any(n in r for r in uids.mapped_ranges(text)) for n in numbers)
    assert not {0, 65534} & set(numbers)


def test_a_user_has_one_uid_and_says_so():
    identity = uids.choose(1000, WHOLE, WHOLE)
    assert identity.level == "single-uid"
    assert {identity.host_uid(role, 5) for role in ROLES} == {1000}


def test_root_of_a_tiny_namespace_is_honest_about_it():
    identity = uids.choose(0, SINGLE, SINGLE)
    assert identity.level == "single-uid" and identity.host_uid("agent") == 0


def test_groups_must_be_mapped_as_well():
    assert uids.choose(0, WHOLE, SINGLE).level == "single-uid"


@pytest.mark.parametrize("slot", [-1, 1000])
def test_a_slot_out_of_range_is_refused(slot):
    with pytest.raises(ValueError, match=f"slot {slot}"):
        uids.choose(0, WHOLE, WHOLE).host_uid("agent", slot)
