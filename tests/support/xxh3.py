"""XXH3, 64 bits, seed 0, in plain Python: the checksum of the store's files.

Source: the description of XXH3 in xxhash's doc/xxhash_spec.md and the secret in xxhash.h (Yann Collet, BSD 2-clause)."""
import struct

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
M32, M64 = (1 << 32) - 1, (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
STRIPES = 16  # of 64 bytes in a block of 1024


def u32(b, at):
    return struct.unpack_from("<I", b, at)[0]


def u64(b, at):
    return struct.unpack_from("<Q", b, at)[0]


SECRET_WORDS = [u64(SECRET, at) for at in range(0, len(SECRET) - 7, 8)]


def swap64(v):
    return int.from_bytes(v.to_bytes(8, "little"), "big")


def rotate(v, n):
    return (v << n | v >> (64 - n)) & M64


def fold(a, b):
    product = a * b
    return product & M64 ^ product >> 64


def avalanche(h):
    h = (h ^ h >> 37) * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def avalanche64(h):
    h = (h ^ h >> 33) * P64_2 & M64
    h = (h ^ h >> 29) * P64_3 & M64
    return h ^ h >> 32


def up_to_16(b):
    n = len(b)
    if n > 8:
        low = u64(b, 0) ^ u64(SECRET, 24) ^ u64(SECRET, 32)
        high = u64(b, n - 8) ^ u64(SECRET, 40) ^ u64(SECRET, 48)
        return avalanche((n + swap64(low) + high + fold(low, high)) & M64)
    if n >= 4:
        h = u32(b, n - 4) + (u32(b, 0) << 32) ^ u64(SECRET, 8) ^ u64(SECRET, 16)
        h = (h ^ rotate(h, 49) ^ rotate(h, 24)) * 0x9FB21C651E98DF25 & M64
        h = (h ^ (h >> 35) + n) * 0x9FB21C651E98DF25 & M64
        return h ^ h >> 28
    if n:
        h = b[0] << 16 | b[n >> 1] << 24 | b[n - 1] | n << 8
        return avalanche64(h ^ u32(SECRET, 0) ^ u32(SECRET, 4))
    return avalanche64(u64(SECRET, 56) ^ u64(SECRET, 64))


def mix(b, at, secret):
    return fold(u64(b, at) ^ u64(SECRET, secret), u64(b, at + 8) ^ u64(SECRET, secret + 8))


def up_to_240(b):
    n = len(b)
    h = n * P64_1
    if n <= 128:
        for i in range((n - 1) // 32 + 1):
            h += mix(b, 16 * i, 32 * i) + mix(b, n - 16 * (i + 1), 32 * i + 16)
        return avalanche(h & M64)
    h = avalanche((h + sum(mix(b, 16 * i, 16 * i) for i in range(8))) & M64)
    h += sum(mix(b, 16 * i, 16 * (i - 8) + 3) for i in range(8, n // 16))
    return avalanche((h + mix(b, n - 16, 136 - 17)) & M64)


def accumulate(lanes, words, secrets):
    """Stripes of eight words; stripe k uses the secret from word k on."""
    stripes = len(words) // 8
    for i in range(8):
        data = words[i::8]
        keys = [d ^ s for d, s in zip(data, secrets[i:i + stripes])]
        lanes[i] += sum((k & M32) * (k >> 32) for k in keys)
        lanes[i ^ 1] += sum(data)


def long(b):
    n = len(b)
    lanes = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    stripes = (n - 1) // 64
    words = struct.unpack_from(f"<{stripes * 8}Q", b)
    for at in range(0, len(words), STRIPES * 8):
        block = words[at:at + STRIPES * 8]
        accumulate(lanes, block, SECRET_WORDS)
        if len(block) == STRIPES * 8 and (at // 8 + STRIPES) * 64 <= (n - 1) // 1024 * 1024:
            for i in range(8):
                v = lanes[i] & M64
                lanes[i] = (v ^ v >> 47 ^ u64(SECRET, 128 + 8 * i)) * P32_1 & M64
    accumulate(lanes, struct.unpack_from("<8Q", b, n - 64), [u64(SECRET, 121 + 8 * i) for i in range(8)])
    h = n * P64_1
    for i in range(4):
        h += fold(lanes[2 * i] & M64 ^ u64(SECRET, 11 + 16 * i), lanes[2 * i + 1] & M64 ^ u64(SECRET, 19 + 16 * i))
    return avalanche(h & M64)


def xxh3(b):
    b = bytes(b)
    return up_to_16(b) if len(b) <= 16 else up_to_240(b) if len(b) <= 240 else long(b)
