import contextlib
import io

from tests.agreement.registry import case


@case("runtime.progress.progress_bar", sizes=(5,))
def _(on, paint, n):
    """What a bar writes, less its clock; and that none is written unasked."""
    written = []
    for show in (True, False):
        with contextlib.redirect_stderr(io.StringIO()) as screen:
            bar = on.package.runtime.progress.progress_bar(show, n, unit="step", done=1)
            bar.update(n - 1)
            bar.close()
        written.append(f"{n}/{n}" in screen.getvalue())
    return written
