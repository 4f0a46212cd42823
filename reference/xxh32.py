"""XXH32, the only source of pseudo-randomness, in plain Python integers.

Source: Y. Collet, doc/xxhash_spec.md 0.2.0 of https://github.com/Cyan4973/xxHash, "XXH32 algorithm
description". All arithmetic is modulo 2^32; `lane` is a 32-bit word read little-endian.
"""

PRIME1 = 2654435761
PRIME2 = 2246822519
PRIME3 = 3266489917
PRIME4 = 668265263
PRIME5 = 374761393
MASK = 2**32 - 1


def rotate_left(word: int, bits: int) -> int:
    """Rotate a 32-bit word to the left.

    >>> hex(rotate_left(0x80000001, 4))
    '0x18'
    """
    return (word << bits | word >> (32 - bits)) & MASK


def xxh32(data: bytes, seed: int = 0) -> int:
    """XXH32 of a byte string of any length, a uint32; `seed` is a uint32.

    >>> hex(xxh32(b"abc"))
    '0x32d153ff'
    """
    position = 0
    if len(data) >= 16:  # steps 1 and 2: four accumulators over stripes of 16 bytes
        accumulators = [seed + PRIME1 + PRIME2, seed + PRIME2, seed, seed - PRIME1]
        while position + 16 <= len(data):
            for k in range(4):
                lane = int.from_bytes(data[position : position + 4], "little")
                mixed = (accumulators[k] + lane * PRIME2) & MASK
                accumulators[k] = rotate_left(mixed, 13) * PRIME1 & MASK
                position += 4
        word = 0  # step 3: convergence
        for k, bits in enumerate((1, 7, 12, 18)):
            word += rotate_left(accumulators[k], bits)
    else:
        word = seed + PRIME5
    word = (word + len(data)) & MASK  # step 4: the length
    while position + 4 <= len(data):  # step 5: the rest, first in lanes, then in bytes
        lane = int.from_bytes(data[position : position + 4], "little")
        word = rotate_left((word + lane * PRIME3) & MASK, 17) * PRIME4 & MASK
        position += 4
    while position < len(data):
        word = rotate_left((word + data[position] * PRIME5) & MASK, 11) * PRIME1 & MASK
        position += 1
    word = (word ^ word >> 15) * PRIME2 & MASK  # step 6: the avalanche
    word = (word ^ word >> 13) * PRIME3 & MASK
    return word ^ word >> 16


def sanity_buffer(length: int) -> bytes:
    """The first `length` bytes of the buffer over which xxHash publishes its sanity values.

    >>> sanity_buffer(8).hex()
    '0052929bb732a324'
    """
    generator = PRIME1
    data = bytearray()
    for _ in range(length):
        data.append(generator >> 56)
        generator = generator * 11400714785074694797 & (2**64 - 1)
    return bytes(data)
