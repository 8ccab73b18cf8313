"""`overbooked report` of proofs: merges their matrices and writes a table, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from overbooked.atomic_write import write_whole
from overbooked.cli.display import stderr_console
from overbooked.errors import UsageError
from overbooked.reporting.kill_matrix import matrix_markdown, matrix_table
from overbooked.reporting.run_folder import SCORECARD, RunFolder
from overbooked.verdicts.proof_record import merged, read_record, record_text

MATRIX = "matrix.json"
PAGE = "matrix.md"


def find_matrix(said: Path, reports: Path) -> Path | None:
    """Return the kill matrix named by a command line argument: a file, a run's folder or a run's id.

    Returns:
        The path; None if the argument names something else, such as a scorecard.
    """
    for place in (said, reports / said):
        if place.is_file() and place.name != SCORECARD and place.suffix == ".json":
            return place if '"matrix_version"' in place.read_text(encoding="utf-8")[:200] else None
        if (place / MATRIX).is_file() and not (place / SCORECARD).is_file():
            return place / MATRIX
    return None


def report_proofs(files: Sequence[Path], reports: Path, into: Path | None) -> Path:
    """Merge some matrices, print the table and write the matrix and its page.

    Args:
        files: matrices as `find_matrix` found them.
        reports: the folder of runs.
        into: the output folder; None: a new run folder, or for a single proof its own folder, in which only
            the page is written.

    Returns:
        The output folder.

    Raises:
        UsageError: a file cannot be read or is not a kill matrix.
    """
    matrices = []
    for file in files:
        try:
            matrices.append(read_record(file.read_text(encoding="utf-8"), str(file)))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: the kill matrix cannot be read: {error}") from error
    matrix = merged(matrices)
    folder = into or (files[0].parent if len(files) == 1 else RunFolder.create(reports).path)
    if into is not None or len(files) > 1:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / MATRIX, record_text(matrix))
    write_whole(folder / PAGE, matrix_markdown(matrix))
    console = stderr_console()
    console.print(matrix_table(matrix))
    console.print(f"{folder}/", highlight=False, markup=False)
    return folder
