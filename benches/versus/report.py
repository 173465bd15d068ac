"""What was measured, as a table to read and a plot to look at."""

import os
import platform


class Report:
    def __init__(self, programs, folder):
        self.names = list(programs)
        self.folder = folder
        self.lines = [f"{os.cpu_count()} cores of {processor()}, Linux {platform.release()}"]
        self.bars = []
        print(self.lines[0], flush=True)

    def say(self, line):
        self.lines.append(line)
        print(line, flush=True)

    def section(self, title, unit):
        self.unit = unit
        self.say(f"\n### {title}\n")
        self.say("| work | " + " | ".join(self.names) + " | ratio | bar |")
        self.say("| --- |" + " --- |" * (len(self.names) + 2))

    def plain(self, line):
        self.say(f"\n{line}")

    def row(self, name, bar, seen, absolute=False):
        """One row. A negative bar is a least ratio; an absolute one is held against our own value."""
        base = seen[self.names[0]]
        ratio = seen["vermilion"] / base if base else float("nan")
        if absolute:
            bar_text, met = f"<= {bar:g} {self.unit}", seen["vermilion"] <= bar
        elif bar < 0:
            bar_text, met = f">= {-bar:.2f}x", ratio >= -bar
        else:
            bar_text, met = f"<= {bar:.2f}x", ratio <= bar
        values = " | ".join(digits(seen[server]) for server in self.names)
        self.say(f"| {name} | {values} | {ratio:.2f}x | {bar_text}{'' if met else ' (missed)'} |")
        self.bars.append((name, ratio, met))

    def detail(self, name, seen):
        """What the load generator saw; in the file only."""
        for server, (rate, _, p50, p99, worst) in seen.items():
            self.lines.append(f"<!-- {name}: {server} {rate:.0f}/s, p50 {p50} ms, p99 {p99} ms, worst {worst} ms -->")

    def close(self, name="versus"):
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{name}.md").write_text("\n".join(self.lines) + "\n")
        (self.folder / f"{name}.svg").write_text(plot(self.bars))
        print(f"\n{self.folder / name}.md, {self.folder / name}.svg")


def digits(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def processor():
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def plot(bars):
    """Ratios as bars: 1.0 is redis-server."""
    left, width, step = 330, 400, 22
    height = step * len(bars) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 80}" height="{height}" font-family="sans-serif" font-size="12">']
    out.append(f'<rect width="100%" height="100%" fill="white"/><line x1="{left + width / 2}" y1="10" x2="{left + width / 2}" y2="{height - 20}" stroke="#888"/>')
    out.append(f'<text x="{left + width / 2}" y="{height - 5}" text-anchor="middle">redis-server = 1</text>')
    for at, (name, ratio, met) in enumerate(bars):
        y = 12 + at * step
        length = min(ratio, 2.0) * width / 2
        colour = "#c0392b" if met else "#d9a9a3"
        out.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{step - 6}" fill="{colour}"/>')
        out.append(f'<text x="{left + length + 6:.0f}" y="{y + 12}">{ratio:.2f}x</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
