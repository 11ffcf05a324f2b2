"""Makes tests/golden/strtof.json: decimals that are hard to round to float32, and the results of C's strtof.

    python3 tests/golden/make_strtof.py     # the committed file: glibc 2.36, x86-64

Each is near the middle between two floats, where rounding to double first and then to float32 can go wrong. Bits
are those of the float, so that no reader can lose any.
"""

import ctypes
import decimal
import json
import pathlib
import random
import struct

libc = ctypes.CDLL("libc.so.6")
libc.strtof.restype = ctypes.c_float
libc.strtof.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
decimal.getcontext().prec = 400
draw = random.Random(5)


def from_bits(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def bits_of(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


texts = ["7.038531E-26", "1.00000005960464477539062500000000001", "1.000000059604644775390625", "1E-46", "0E0", "3.4028236E38"]
for n in range(400):
    bits = draw.randrange(1, 0x00900000) if n % 4 == 0 else draw.randrange(0x00800000, 0x7F7FFFFF)
    middle = (decimal.Decimal(from_bits(bits)) + decimal.Decimal(from_bits(bits + 1))) / 2
    exact = format(middle, "E")
    short = repr(float(middle)).replace("e", "E")
    step = middle * decimal.Decimal(10) ** draw.choice([-17, -18, -20, -40])
    texts += [exact, short, format(middle + step, "E"), format(middle - step, "E")]
texts = [text for text in texts if len(text) <= 100]
cases = [[text, bits_of(libc.strtof(text.encode(), None))] for text in texts]
path = pathlib.Path(__file__).parent / "strtof.json"
path.write_text(json.dumps(cases, indent=0) + "\n")
print(len(cases), "decimals")
