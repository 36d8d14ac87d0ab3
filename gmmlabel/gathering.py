"""Where histograms come from: CTs, case folders and histogram files, mixed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmmlabel.case_files import HISTOGRAM
from gmmlabel.cohort.finding import FoundCT, find_cts, read_found
from gmmlabel.errors import InputError
from gmmlabel.histogram import LungHistogram, read_histogram
from gmmlabel.method import Method

HISTOGRAM_SUFFIX = f".{HISTOGRAM}"
"""How the names of histograms outside case folders end."""


@dataclass(frozen=True)
class Source:
    """One histogram that can be had: a histogram file, or a CT whose lungs are to be counted."""

    place: Path | FoundCT

    @property
    def label(self) -> str:
        """What to call it in messages."""
        return str(self.place if isinstance(self.place, Path) else self.place.source)

    def histogram(self, method: Method) -> LungHistogram:
        """Read the histogram, or count the lungs of the CT.

        Parameters
        ----------
        method
            What finds the lungs of a CT.

        Raises
        ------
        InputError
            If the file is no histogram, or the CT cannot be read or has no lungs.
        """
        if isinstance(self.place, Path):
            return read_histogram(self.place)
        from gmmlabel.pipeline import count_lungs

        volume = read_found(self.place)
        try:
            return count_lungs(volume, method)
        except InputError as error:
            raise type(error)(f"{self.label}: {error}") from error


def find_sources(inputs: Sequence[Path], *, exclude: Path | None = None) -> list[Source]:
    """Find the histograms that inputs give.

    Parameters
    ----------
    inputs
        CTs and histogram files, and folders in which, at any depth, CTs, case folders and
        histogram files are.
    exclude
        A folder in which no CTs are looked for: the one for the results.

    Raises
    ------
    InputError
        If an input does not exist, or nothing is found.
    """
    histograms = [path for path in inputs if path.name.lower().endswith(".json")]
    others = [path for path in inputs if path not in histograms]
    for folder in (path for path in others if path.is_dir()):
        names = (HISTOGRAM, f"*{HISTOGRAM_SUFFIX}")
        histograms += sorted({path for name in names for path in folder.rglob(name)})
    cts = find_cts(others, exclude=exclude).cts if others else ()
    sources = [*map(Source, histograms), *map(Source, cts)]
    if not sources:
        raise InputError(
            f"{inputs[0]}: no CT, case folder or histogram in it; "
            "gmmlabel label and gmmlabel histogram make histograms"
        )
    return sources


def gather_histograms(
    inputs: Sequence[Path], method: Method
) -> Iterator[tuple[str, LungHistogram]]:
    """Get the histograms that inputs give, one by one.

    Parameters
    ----------
    inputs
        As of `find_sources`.
    method
        What finds the lungs of CTs.

    Yields
    ------
    str
        What to call it in messages.
    LungHistogram
        The histogram.

    Raises
    ------
    InputError
        If an input does not exist, nothing is found, or something gives no histogram.
    """
    for source in find_sources(inputs):
        yield source.label, source.histogram(method)
