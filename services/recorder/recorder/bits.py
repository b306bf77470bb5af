"""Numbers as parameter sets have them: of so many bits, or by Exp-Golomb code (ITU-T H.264, 9.1)."""

_LONGEST_CODE = 32


class Bits:
    """Reads from the front. ValueError at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def skip(self, count: int) -> None:
        self.number(count)

    def number(self, count: int) -> int:
        """The next so many bits."""
        if count > self._left:
            raise ValueError("there is no more")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        zeros = 0
        while not self.number(1):
            zeros += 1
            if zeros > _LONGEST_CODE:
                raise ValueError("not a number")
        return (1 << zeros) - 1 + self.number(zeros)

    def skip_unsigned(self, count: int) -> None:
        for _ in range(count):
            self.unsigned()

    def signed(self) -> int:
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
