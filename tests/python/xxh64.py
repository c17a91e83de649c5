"""XXH64, written from its description: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md"""

P = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261)
MASK = (1 << 64) - 1


def rotl(x, n):
    return (x << n | x >> (64 - n)) & MASK


def mix(acc, lane):
    return rotl((acc + lane * P[1]) & MASK, 31) * P[0] & MASK


def xxh64(data):
    """Seed 0."""
    at, n = 0, len(data)
    if n >= 32:
        acc = [(P[0] + P[1]) & MASK, P[1], 0, -P[0] & MASK]
        while at + 32 <= n:
            for k in range(4):
                acc[k] = mix(acc[k], int.from_bytes(data[at + 8 * k:at + 8 * k + 8], "little"))
            at += 32
        h = sum(rotl(acc[k], (1, 7, 12, 18)[k]) for k in range(4)) & MASK
        for k in range(4):
            h = ((h ^ mix(0, acc[k])) * P[0] + P[3]) & MASK
    else:
        h = P[4]
    h = (h + n) & MASK
    while at + 8 <= n:
        h = (rotl(h ^ mix(0, int.from_bytes(data[at:at + 8], "little")), 27) * P[0] + P[3]) & MASK
        at += 8
    if at + 4 <= n:
        h = (rotl(h ^ int.from_bytes(data[at:at + 4], "little") * P[0] & MASK, 23) * P[1] + P[2]) & MASK
        at += 4
    for byte in data[at:]:
        h = rotl(h ^ byte * P[4] & MASK, 11) * P[0] & MASK
    h = (h ^ h >> 33) * P[1] & MASK
    h = (h ^ h >> 29) * P[2] & MASK
    return h ^ h >> 32


assert xxh64(b"") == 0xEF46DB3751D8E999 and xxh64(b"abc") == 0x44BC2CF5AD770999
assert xxh64(bytes(range(101))) == 0xE99038495F85381E
