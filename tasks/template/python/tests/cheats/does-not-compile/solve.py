def solve(given) return bytes(8)
