"""Figures of a study with matplotlib. Each draws on `ax` or on axes of its own, and gives them."""

# Okabe and Ito (2008): colours that people with colour blindness tell apart.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444b54"]


def _axes(ax):
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def fan(study, metric=None, points=None, ax=None):
    """A metric over the steps: the median over replicates and the middle 90 %, a line a point."""
    metric = metric or study.metric
    bands = study.bands(metric)
    ax = _axes(ax)
    chosen = bands["point"].unique()[: len(COLOURS)] if points is None else points
    names = study.final.groupby("point")[study.axes].first() if study.axes else None
    for point, colour in zip(chosen, COLOURS * (len(chosen) // len(COLOURS) + 1)):
        rows = bands[bands["point"] == point]
        name = None
        if names is not None:
            name = ", ".join(
                f"{axis.removeprefix('rules.').replace('_', ' ')} {names.loc[point, axis]}"
                for axis in study.axes
            )
        ax.plot(rows["step"], rows["median"], color=colour, label=name)
        ax.fill_between(rows["step"], rows["low"], rows["high"], color=colour, alpha=0.18, lw=0)
    ax.set(xlabel="step", ylabel=study.label(metric))
    if names is not None and len(chosen) > 1:
        ax.legend(frameon=False)
    return ax


def heat_map(study, metric=None, line=None, ax=None):
    """The median of a metric at the last step over a grid of two axes; `line` is (x, y) values."""
    metric = metric or study.metric
    x, y = study.axes
    cells = study.final.pivot_table(index=y, columns=x, values=metric, aggfunc="median")
    ax = _axes(ax)
    mesh = ax.pcolormesh(range(len(cells.columns)), range(len(cells)), cells, cmap="cividis")
    ax.set_xticks(range(len(cells.columns)), [f"{value:g}" for value in cells.columns])
    ax.set_yticks(range(len(cells)), [f"{value:g}" for value in cells.index])
    ax.figure.colorbar(mesh, ax=ax, label=study.label(metric))
    if line is not None:
        import numpy as np

        xs = np.interp(line[0], cells.columns, range(len(cells.columns)))
        ys = np.interp(line[1], cells.index, range(len(cells)))
        ax.plot(xs, ys, color="white", lw=4)
        ax.plot(xs, ys, color="#d3392b", ls="--")
    ax.set(xlabel=study.label(x), ylabel=study.label(y))
    return ax


def index_bars(study, metric=None, ax=None):
    """First and total order of Sobol, or the mean absolute effects of Morris, with their bounds."""
    metric = metric or study.metric
    kinds = {"sobol": ["first", "total"], "morris": ["mu_star"]}[study.kind]
    rows = study.indices[study.indices["metric"] == metric]
    wide = rows[rows["index"].isin(kinds)].set_index(["parameter", "index"])
    order = wide["value"].xs(kinds[-1], level="index").sort_values().index
    ax = _axes(ax)
    height = 0.8 / len(kinds)
    for place, (kind, colour) in enumerate(zip(kinds, COLOURS)):
        part = wide.xs(kind, level="index").loc[order]
        spread = [part["value"] - part["low"], part["high"] - part["value"]]
        at = [number - place * height for number in range(len(order))]
        words = kind.replace("_star", "*")
        ax.barh(
            at,
            part["value"],
            height,
            color=colour,
            label=words,
            xerr=[side.clip(lower=0) for side in spread],
            ecolor="#1c2430",
        )
    ax.set_yticks(range(len(order)), [study.label(name).split(",")[0] for name in order])
    ax.set(xlabel=f"what {study.label(metric).split(',')[0]} depends on")
    if len(kinds) > 1:
        ax.legend(frameon=False, loc="lower right")
    return ax
