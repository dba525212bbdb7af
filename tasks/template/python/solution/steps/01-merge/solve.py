"""Counts the pairs of a list that are out of order, while it merges sorted halves."""


def count_and_sort(values: list[int]) -> tuple[int, list[int]]:
    """The count, and the numbers in order."""
    if len(values) < 2:
        return 0, values
    half = len(values) // 2
    first, left = count_and_sort(values[:half])
    second, right = count_and_sort(values[half:])
    count, at, merged = first + second, 0, []
    for value in right:
        while at < half and left[at] <= value:
            merged.append(left[at])
            at += 1
        count += half - at
        merged.append(value)
    return count, merged + left[at:]


def solve(given: memoryview) -> bytes:
    """The count of a list of little-endian 32-bit numbers, as 8 bytes."""
    values = given.cast("I").tolist() if given else []
    return count_and_sort(values)[0].to_bytes(8, "little")
