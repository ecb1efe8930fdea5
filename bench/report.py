#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables and plots from what the benchmark's programs print.

    report.py text RESULTS                  the tables, for a terminal
    report.py markdown RESULTS FOLDER       README.md and plots (gnuplot, SVG) in the folder

RESULTS has a line for each figure: table, row, column, unit, median, least, greatest, with tabs between;
and `missing`, peer, Debian packages. `asked` is the table of what the project asks of itself.
"""

import pathlib
import platform
import subprocess
import sys
import time

ASKED = "asked"
MACHINE = "machine"
BY_PRODUCERS = "8 bytes, M messages/s, by producers"
BY_SIZE = "one producer, processes, M messages/s, by size"
AT_MOST = "at most"


class Results:
    """tables[table][row][column] = (unit, median, least, greatest), in the order of the file."""

    def __init__(self, path):
        self.tables = {}
        self.missing = []
        for line in pathlib.Path(path).read_text().splitlines():
            fields = line.split("\t")
            if fields[0] == "missing":
                self.missing.append((fields[1], fields[2]))
                continue
            table, row, column, unit, *values = fields
            figures = tuple(float(value) for value in values)
            self.tables.setdefault(table, {}).setdefault(row, {})[column] = (unit, *figures)


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def columns_of(rows):
    columns = []
    for row in rows.values():
        columns += [column for column in row if column not in columns]
    return columns


def cells(rows):
    """The header and a list for each row."""
    columns = columns_of(rows)
    units = {row[column][0] for row in rows.values() for column in row}
    unit = f" ({units.pop()})" if len(units) == 1 else ""
    yield [unit.strip()] + columns
    for name, row in rows.items():
        yield [name] + [cell(row.get(column), not unit) for column in columns]


def cell(figure, with_unit):
    if figure is None:
        return ""
    return number(figure[1]) + (f" {figure[0]}" if with_unit else "")


def asked(rows):
    """What was reached, what was asked for, and whether that is met."""
    yield ["workload", "reached", "asked for", ""]
    for name, row in rows.items():
        if "reached" not in row:
            continue
        reached = row["reached"][1]
        limit, bound = ("at most", AT_MOST) if AT_MOST in row else ("at least", "at least")
        wanted = row[bound][1]
        met = reached <= wanted if bound == AT_MOST else reached >= wanted
        spread = f"{number(reached)} ({number(row['reached'][2])} to {number(row['reached'][3])})"
        yield [name, spread, f"{limit} {number(wanted)}", "met" if met else "not met"]


def tables(results):
    if ASKED in results.tables:
        yield "What it must show", list(asked(results.tables[ASKED]))
    for name, rows in results.tables.items():
        if name not in (ASKED, MACHINE):
            yield name[0].upper() + name[1:], list(cells(rows))


# ---- on a terminal


def text(results):
    for title, lines in tables(results):
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        print(f"\n{title}")
        for line in lines:
            first, *rest = (value.ljust(width) if i == 0 else value.rjust(width)
                            for i, (value, width) in enumerate(zip(line, widths)))
            print("  " + "  ".join([first, *rest]).rstrip())
    for peer, packages in results.missing:
        print(f"skipped: {peer} (Debian: {packages})")


# ---- Markdown and plots


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        return None
    return next(iter((done.stdout or done.stderr).splitlines()), "")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def package(name):
    return first_line("dpkg-query", "-W", "-f", "${Package} ${Version}", name)


def machine():
    cores = len(set(__import__("os").sched_getaffinity(0)))
    yield "machine", f"{processor()}, {cores} processors, Linux {platform.release()}"
    yield "compiler", first_line("gcc", "--version")
    peers = [first_line("rustc", "--version")] + [
        package(name) for name in ("librust-crossbeam-channel-dev", "libboost-dev", "libzmq3-dev",
                                   "libqb-dev", "libc6")]
    yield "peers", "; ".join(filter(None, peers))
    # The results themselves have changed by now.
    changed = first_line("git", "status", "--porcelain", "--", ".", ":!doc/benchmarks")
    yield "commit", (first_line("git", "describe", "--always") or "") + ("-dirty" if changed else "")
    yield "date", time.strftime("%Y-%m-%d")


def markdown_table(lines):
    yield "| " + " | ".join(lines[0]) + " |"
    yield "|" + " --- |" + " ---: |" * (len(lines[0]) - 1)
    for line in lines[1:]:
        yield "| " + " | ".join(line) + " |"


def markdown(results, folder):
    yield "# Measured\n"
    yield "Written by `script/bench`. Medians of several rounds, in each of which everything was measured in"
    yield "turn; what is compared is compared in each round. In brackets: the least and the greatest of the rounds.\n"
    for what, value in machine():
        if value:
            yield f"- {what}: {value}"
    for peer, packages in results.missing:
        yield f"- skipped: {peer} (Debian: {packages})"
    for plot in sorted(folder.glob("*.svg")):
        yield f"\n![{plot.stem}]({plot.name})"
    notes = folder / "notes.md"
    for title, lines in tables(results):
        yield f"\n## {title}\n"
        yield from markdown_table(lines)
        if title == "What it must show" and notes.exists():
            yield "\n" + notes.read_text().rstrip()


def plot(folder, name, title, xlabel, rows, columns):
    """Lines by column number; rows with one value only are left out."""
    rows = {row: values for row, values in rows.items() if sum(c in values for c in columns) > 1}
    if not rows:
        return
    data = "\n\n\n".join(
        "\n".join(f"{column.split()[0]} {values[column][1]}" for column in columns if column in values)
        for values in rows.values())
    # Between processes solid, between threads dashed.
    curves = ", ".join(f"$data index {i} with linespoints lw 2 dt {2 if 'threads' in row else 1} title '{row}'" for i, row in enumerate(rows))
    script = f"""
set terminal svg size 960,520 font 'sans,12' noenhanced background rgb 'white'
set output '{folder / name}.svg'
set title '{title}'
set xlabel '{xlabel}'
set ylabel 'M messages/s'
set logscale xy
set xrange [{columns[0].split()[0]}:{columns[-1].split()[0]}]
set xtics ({', '.join(c.split()[0] for c in columns)})
set grid
set key outside right
$data << END
{data}
END
plot {curves}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def plots(results, folder):
    if first_line("gnuplot", "--version") is None:
        print("no plots: no gnuplot (Debian: gnuplot-nox)", file=sys.stderr)
        return
    for name, title, xlabel, table in (
            ("producers", "8 bytes", "producers", BY_PRODUCERS),
            ("sizes", "one producer, between processes", "bytes", BY_SIZE)):
        rows = results.tables.get(table, {})
        columns = [c for c in columns_of(rows) if c.replace(" bytes", "").isdigit()]
        plot(folder, name, title, xlabel, rows, columns)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "text":
        text(Results(arguments[1]))
    elif len(arguments) == 3 and arguments[0] == "markdown":
        results, folder = Results(arguments[1]), pathlib.Path(arguments[2])
        plots(results, folder)
        lines = markdown(results, folder)
        (folder / "README.md").write_text("\n".join(lines) + "\n")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
