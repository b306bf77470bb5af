"""Ranges of a chain's numbers, first and last, in order: so that they can be written down however many they are."""

from collections.abc import Iterable, Sequence

Range = tuple[int, int]


def runs(numbers: Iterable[int]) -> Sequence[Range]:
    """The numbers, in any order, as ranges.

    >>> runs([4, 1, 2, 9, 2])
    [(1, 2), (4, 4), (9, 9)]
    """
    return merged((number, number) for number in numbers)


def merged(ranges: Iterable[Range]) -> Sequence[Range]:
    """The same numbers in as few ranges as they take.

    >>> merged([(5, 9), (1, 2), (3, 6)])
    [(1, 9)]
    """
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def without(ranges: Iterable[Range], others: Sequence[Range]) -> Sequence[Range]:
    """What of `ranges` is in none of `others`, which are merged.

    >>> without([(1, 10)], [(0, 2), (5, 5), (9, 12)])
    [(3, 4), (6, 8)]
    """
    left: list[Range] = []
    for first, last in ranges:
        begin = first
        for other_first, other_last in others:
            if other_last < begin or other_first > last:
                continue
            if other_first > begin:
                left.append((begin, other_first - 1))
            begin = other_last + 1
        if begin <= last:
            left.append((begin, last))
    return left


def count(ranges: Iterable[Range]) -> int:
    """How many numbers they are."""
    return sum(last - first + 1 for first, last in ranges)
