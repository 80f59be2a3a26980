"""The command ``explain``: why a meter got its verdict."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.common import json_option, make_context, moment, show, workspace_option
from transforms.windows import check_length, parse_span


@click.command()
@click.argument("feature_code")
@workspace_option
@click.option("--until", help="Explain the newest window at or before this time. Default: the newest of all.")
@click.option(
    "--window",
    "length",
    help="Explain the window of this length, 12h for example, whether it has a run or not. Default: the newest with a run.",
)
@click.option(
    "--html",
    "page",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Write one page instead. Default FILE: reports/explain_<digest of the code>_<window>.html of the workspace.",
)
@json_option
def explain(
    feature_code: str, folder: Path | None, until: str | None, length: str | None, page: str | None, as_json: bool
) -> int:
    """Why a meter got its verdict: the sentence, every check with its numbers, a plot."""
    context = make_context(folder, None, reads_dumps=False)
    from flows.explain import explain as gather
    from flows.explain import write_page
    from reports.clock import shown_in
    from reports.explain import plain_sentence, to_json
    from reports.explain_terminal import screen

    span = check_length(parse_span(length)) if length else None
    found = gather(context, feature_code, moment(until) if until else None, span)
    if page is None:
        with shown_in(context.policy.report.timezone):
            lines = screen(found)
        show(to_json(found), lines, as_json=as_json)
        return 0
    file = write_page(context, found, Path(page).expanduser() if page else None)
    show({**to_json(found), "page": str(file)}, [plain_sentence(found), f"Page: {file}"], as_json=as_json)
    return 0
