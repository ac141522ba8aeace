"""The tables: for people on a terminal, or as docs/performance.md has them."""


def _range(spread, digits=0):
    return f"{spread['median']:.{digits}f} ({spread['low']:.{digits}f}-{spread['high']:.{digits}f})"


def _ratio(own, other, least=0):
    """None of what is less than `least`, which is noise."""
    return f"{own['median'] / other['median']:.2f}" if other and other["median"] > least else "-"


def _table(header, rows, markdown):
    if markdown:
        lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
        return "".join("| " + " | ".join(row) + " |\n" for row in lines)
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return "".join(
        (row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))).rstrip()
        + "\n" for row in [header, *rows])


def _by_label(summary):
    return {subject["label"]: subject for subject in summary["subjects"]}


def _classes(summaries):
    rows = []
    for summary in summaries:
        subjects = _by_label(summary)
        xlb, lru = subjects["xlb"]["net_ns"], subjects.get("lru", {}).get("net_ns")
        rows.append([summary["class"], _range(xlb), _range(lru) if lru else "-", _ratio(xlb, lru, least=5)])
    return ["ns per packet, net", "xlb", "lru", "xlb : lru"], rows


def _sizes(summaries):
    labels = [subject["label"] for subject in summaries[0]["subjects"][1:]]
    rows = [[label] + [_range(_by_label(summary)[label]["net_ns"]) for summary in summaries] for label in labels]
    return ["ns per packet, net"] + [summary["class"] for summary in summaries], rows


def _live(summaries):
    labels = [subject["label"] for subject in summaries[0]["subjects"]]
    rows = []
    for label in labels:
        row = [label]
        for summary in summaries:
            subjects = _by_label(summary)
            row += [_range(subjects[label]["mpps"], 2), _ratio(subjects[label]["mpps"], subjects["lru"]["mpps"])]
        rows.append(row)
    return ["Mpps, one CPU"] + [cell for summary in summaries for cell in (summary["class"], ": lru")], rows


def _times(sizes):
    rows = [[f"{size['virtual_servers']} x 10", _range(size["start_ms"]), _range(size["weight_change_by_reload_ms"], 1)]
            for size in sizes]
    return ["ms; virtual x real servers", "start until all forward", "reload until a changed weight counts"], rows


_PARTS = {"classes": _classes, "sizes": _sizes, "live": _live, "times": _times}


def text(result, markdown):
    machine = "On {cpu}{virtual}, one of {cpus} CPUs, kernel {kernel}.\n".format(**result["machine"])
    tables = [_table(*part(result[name]), markdown) for name, part in _PARTS.items() if name in result]
    skipped = "".join(f"Not measured: {feature}: {reason}.\n" for feature, reason in result["skipped"].items())
    return "\n".join([machine, *tables] + ([skipped] if skipped else []))
