"""Ed25519 after RFC 8032. A point is (x, y, z, t) with x/z and y/z on the curve, and t = xy/z."""

from __future__ import annotations

import hashlib

P = 2**255 - 19
SIGNATURE_BYTES = 64
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def add(a: Point, b: Point) -> Point:
    """Add two points of the curve."""
    m, n = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    c, d = 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    """Add a point to itself so many times."""
    total: Point = (0, 1, 1, 0)
    while number:
        total = add(total, point) if number & 1 else total
        point, number = add(point, point), number >> 1
    return total


def decoded(data: bytes) -> Point | None:
    """Give the point that 32 bytes name, if there is one."""
    number = int.from_bytes(data, "little")
    y = number % 2**255 % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    x = x if x & 1 == number >> 255 else -x % P
    return x, y, 1, x * y % P


BASE = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether this is the key's Ed25519 signature of the message."""
    point, scalar = decoded(key), int.from_bytes(signature[32:], "little")
    if BASE is None or point is None or len(signature) != SIGNATURE_BYTES or scalar >= ORDER:
        return False
    challenge = hashlib.sha512(signature[:32] + key + message).digest()
    minus = (-point[0] % P, point[1], 1, -point[3] % P)
    factor = int.from_bytes(challenge, "little") % ORDER
    found = add(times(scalar, BASE), times(factor, minus))
    inverse = pow(found[2], -1, P)
    x, y = found[0] * inverse % P, found[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]
