"""Makes traffic.txt: python3 make_traffic.py > traffic.txt. Always the same 64 racks.

Pods of eight racks talk among themselves, with a few heavy pairs; two storage racks talk to many;
some pairs far apart talk too. Rack numbers are shuffled, so that they say nothing.
"""

import random

RACKS, PODS, STORAGE = 64, 8, 2


def main() -> None:
    rng = random.Random(20240611)
    traffic: dict[tuple[int, int], int] = {}

    def add(a: int, b: int, units: int) -> None:
        pair = (min(a, b), max(a, b))
        traffic[pair] = traffic.get(pair, 0) + units

    number = list(range(RACKS))
    rng.shuffle(number)
    pods = [number[i * 8 : i * 8 + 8] for i in range(PODS)]
    for pod in pods:
        for i in range(8):
            for j in range(i):
                if rng.random() < 0.36:
                    add(pod[i], pod[j], int(rng.paretovariate(1.2) * 12))
    for store in (pods[i * 2][0] for i in range(STORAGE)):
        for rack in number:
            if rack != store and rng.random() < 0.35:
                add(store, rack, rng.randint(2, 9))
    for _ in range(56):
        a, b = rng.sample(number, 2)
        add(a, b, int(rng.paretovariate(1.5) * 6))
    print(f"racks {RACKS} rows 8 columns 8")
    for (a, b), units in sorted(traffic.items()):
        print(a, b, units)


main()
