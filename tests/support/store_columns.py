"""Columns of the store's blocks: times and values, as storage/FORMAT.md describes them under "Columns" and nothing else.

Integers are taken modulo 2^64, sample values are their 64 bits."""
import struct

M64 = (1 << 64) - 1
BITS, DELTA, REFERENCE, STRANGERS, EXCEPTIONS, NIBBLES, UNIT = 1, 2, 4, 8, 16, 32, 64


class Damaged(ValueError):
    """Bytes that are not what the format says."""


def sound(condition, what):
    if not condition:
        raise Damaged(what)


class Bytes:
    """Takes from the front of bytes."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n):
        sound(0 <= n <= len(self.data) - self.at, "bytes are missing")
        self.at += n
        return self.data[self.at - n:self.at]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def number(self, size, order="little"):
        return int.from_bytes(self.take(size), order)

    def varint(self):
        v = 0
        for shift in range(0, 70, 7):
            byte = self.number(1)
            v |= (byte & 127) << shift
            if byte < 128:
                sound(v <= M64, "a varint of more than 64 bits")
                return v
        raise Damaged("a varint of more than ten bytes")

    def zigzag(self):
        """Modulo 2^64."""
        return unzigzag(self.varint())

    def text(self):
        return self.take(self.varint())

    def end(self):
        sound(self.at == len(self.data), f"{len(self.data) - self.at} bytes too many")


def unzigzag(v):
    return (v >> 1 ^ -(v & 1)) & M64


def signed(v):
    return v - (1 << 64) if v >> 63 else v


def bits_of(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def value_of(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def low_bits(b, n, width):
    if width == 0:
        return [0] * n
    all_bits = int.from_bytes(b.take((n * width + 7) // 8), "little")
    sound(all_bits >> n * width == 0, "bits after the low bits")
    digits = (n * width + 7) // 8 * 8
    text, mask = all_bits.to_bytes(digits // 8 + 9, "little"), (1 << width) - 1
    return [int.from_bytes(text[i * width >> 3:(i * width >> 3) + 9], "little") >> (i * width & 7) & mask for i in range(n)]


def pack(b, n):
    width, patches = b.number(1), b.varint()
    sound(width <= 64 and patches <= n, "a pack of too many bits or patches")
    values, index = low_bits(b, n, width), 0
    for i in range(patches):
        step = b.varint()
        sound(i == 0 or step > 0, "two patches of one index")
        index += step
        sound(index < n, "a patch beyond the end")
        values[index] |= b.varint() << width
        sound(values[index] <= M64, "a patch of too many bits")
    return values


def steps(b, n, first):
    """As times from the first step on: n integers."""
    values, step = [first], 0
    if n > 1:
        step = b.zigzag()
        values.append((first + step) & M64)
    for change in pack(b, n - 2) if n > 2 else ():
        step = (step + unzigzag(change)) & M64
        values.append((values[-1] + step) & M64)
    return values


def read_times(data, n):
    b = Bytes(data)
    times = [signed(t) for t in steps(b, n, b.number(8))]
    b.end()
    sound(all(a < b for a, b in zip(times, times[1:])), "times do not ascend")
    return times


def strangers(b, n):
    """Index to sample bits."""
    found, index, count = {}, 0, b.varint()
    sound(count <= n, "more strangers than values")
    for i in range(count):
        step = b.varint()
        sound(i == 0 or step > 0, "two strangers of one index")
        index += step
        sound(index < n, "a stranger beyond the end")
        found[index] = b.number(8)
    return found


class BitReader:
    """Bits from the lowest of the first byte on."""

    def __init__(self, data):
        self.bits, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, n):
        sound(n <= self.left, "bits are missing")
        v = self.bits & (1 << n) - 1
        self.bits >>= n
        self.left -= n
        return v

    def end(self):
        sound(self.left < 8 and self.bits == 0, "bits too many")


def exceptions(b, n):
    """Index to residual."""
    count = b.varint()
    sound(count <= n, "more exceptions than residuals")
    widths, least = (b.number(1), b.number(1)), b.zigzag()
    bits = BitReader(b.take(b.varint()))

    def number(width):
        escapes, width = width >> 7, width & 127
        sound(width <= 64 - escapes, "an exception of too many bits")
        v = bits.take(width)
        return bits.take(64) if escapes and v == (1 << width) - 1 else v

    found, index = {}, -1
    for _ in range(count):
        index += 1 + number(widths[0])
        sound(index < n, "an exception beyond the end")
        found[index] = (least + number(widths[1])) & M64
    bits.end()
    return found


def nibble_code(b):
    """(length, codeword) to nibble; a codeword's first bit is its highest."""
    first = b.number(1)
    symbols = (first & 15) + 1
    size = (4 + 3 * symbols + 7) // 8
    bits = BitReader(bytes([first]) + b.take(size - 1))
    bits.take(4)
    lengths = sorted((length, nibble) for nibble in range(symbols) if (length := bits.take(3)))
    bits.end()
    sound(sum(128 >> length for length, _ in lengths) == 128, "lengths do not fill the code")
    code, word, last = {}, 0, lengths[0][0]
    for length, nibble in lengths:
        word <<= length - last
        code[length, word] = nibble
        word, last = word + 1, length
    return code


def nibble_stream(bits, n, code):
    """From a string of 0 and 1: n nibbles and the bytes they take."""
    out, at = [], 0
    for _ in range(n):
        length, word = 0, 0
        while (length, word) not in code:
            sound(length < 7 and at < len(bits), "nibbles are missing")
            word, length, at = word << 1 | (bits[at] == "1"), length + 1, at + 1
        out.append(code[length, word])
    size = (at + 7) // 8
    sound("1" not in bits[at:size * 8], "bits after the nibbles")
    return out, size


def nibbles(b, n, code):
    data = b.rest()
    text = {True: "".join(f"{byte:08b}"[::-1] for byte in data), False: "".join(f"{byte:08b}"[::-1] for byte in data[::-1])}
    even, even_size = nibble_stream(text[True], (n + 1) // 2, code)
    odd, odd_size = nibble_stream(text[False], n // 2, code)
    sound(even_size + odd_size == len(data), "the two streams of nibbles are not all of the bytes")
    return [even[i // 2] if i % 2 == 0 else odd[i // 2] for i in range(n)]


def residuals(b, n, flags):
    """n integers."""
    width = b.number(1)
    sound(width <= 64, "residuals of more than 64 bits")
    unit = b.varint() if flags & UNIT else 1
    base = b.zigzag()
    found = exceptions(b, n) if flags & EXCEPTIONS else {}
    if flags & NIBBLES:
        sound(width > 0, "nibbles of no bits")
        code = nibble_code(b)
        low_width = max(0, width - 4)
        values = low_bits(b, n, low_width)
        each = {1: 4, 2: 2}.get(width, 1)
        high = nibbles(b, (n + each - 1) // each, code)
        if each > 1:
            high = [nibble >> width * k & (1 << width) - 1 for nibble in high for k in range(each)]
            sound(not any(high[n:]), "residuals after the last one")
        values = [low | top << low_width for low, top in zip(values, high)]
    else:
        values = low_bits(b, n, width)
    sound(all(v < 1 << width for v in values), "residuals of too many bits")
    for index, value in found.items():
        values[index] = value
    return [(base + unit * v) & M64 for v in values]


def running(first, differences):
    values = [first]
    for d in differences:
        values.append((values[-1] + d) & M64)
    return values


def may_be_reference(data):
    """Of a column: mode of 128 and more with flag 2, without flags 1 and 4, scale 0."""
    return len(data) > 1 and data[0] >= 128 and data[0] & (BITS | DELTA | REFERENCE) == DELTA and data[1] == 0


def reference_integer(bits):
    value = value_of(bits)
    return int(value) & M64 if -2.0 ** 53 < value < 2.0 ** 53 else 0


def read_values(data, n, reference=None):
    """The sample bits of a column of n values; reference: sample bits of the column it needs, for needs_reference()."""
    b = Bytes(data)
    mode = b.number(1)
    if mode < 128:
        values = read_old_values(b, mode, n)
        b.end()
        return values
    flags = mode - 128
    sound(not flags & REFERENCE or flags & (BITS | DELTA) == DELTA, "a reference without differences of integers")
    sound(not flags & BITS or not flags & STRANGERS, "strangers among bits")
    scale = None if flags & BITS else b.number(1)
    sound(scale is None or scale <= 9, "a scale beyond 9")
    strange = strangers(b, n) if flags & STRANGERS else {}
    if flags & DELTA:
        first = b.zigzag()
        integers = running(first, residuals(b, n - 1, flags) if n > 1 else ())
    else:
        integers = residuals(b, n, flags)
    b.end()
    if flags & BITS:
        return integers
    if flags & REFERENCE:
        sound(reference is not None and len(reference) == n, "there is no reference")
        integers = [(i + reference_integer(r)) & M64 for i, r in zip(integers, reference)]
    return decimals(integers, scale, strange)


def needs_reference(data):
    return len(data) > 0 and data[0] >= 128 and data[0] & REFERENCE != 0


def decimals(integers, scale, strange):
    values = [bits_of(float(signed(i)) / float(10 ** scale)) for i in integers]
    for index, bits in strange.items():
        values[index] = bits
    return values


def read_old_values(b, mode, n):
    if mode == 0:
        return [b.number(8)] * n
    if mode == 4:
        return xor_stream(b.rest(), n)
    if mode == 5:
        return [b.number(8) for _ in range(n)]
    sound(mode in (1, 2, 3), f"unknown mode {mode}")
    scale, strange = b.number(1), strangers(b, n)
    sound(scale <= 9, "a scale beyond 9")
    first = b.zigzag()
    if mode == 1:
        integers = [(first + v) & M64 for v in pack(b, n)]
    elif mode == 2:
        integers = running(first, [unzigzag(v) for v in pack(b, n - 1)] if n > 1 else ())
    else:
        integers = steps(b, n, first)
    return decimals(integers, scale, strange)


def xor_stream(data, n):
    bits, at = "".join(f"{byte:08b}" for byte in data), 0

    def take(count):
        nonlocal at
        sound(at + count <= len(bits), "bits are missing")
        at += count
        return int(bits[at - count:at], 2)

    values, place = [take(64)], None
    while len(values) < n:
        changed = 0
        if take(1):
            if take(1):
                leading, length = take(5), take(6) + 1
                sound(leading + length <= 64, "changed bits beyond the end")
                place = length, 64 - leading - length
            sound(place is not None, "changed bits of no place")
            changed = take(place[0]) << place[1]
        values.append(values[-1] ^ changed)
    sound(len(bits) - at < 8 and "1" not in bits[at:], "bits after the last value")
    return values
