"""SALib and our own sampling and analysis must agree, in both directions, to rounding."""

import numpy
import pandas
import pytest
from conftest import AXES, axes

pytest.importorskip("SALib")
from SALib.analyze import morris as analyze_morris  # noqa: E402
from SALib.analyze import sobol as analyze_sobol  # noqa: E402
from SALib.sample import morris as sample_morris  # noqa: E402
from SALib.sample import sobol as sample_sobol  # noqa: E402

PROBLEM = {
    "num_vars": len(AXES),
    "names": list(AXES),
    "bounds": [[float(low), float(high)] for low, high in AXES.values()],
}


def outputs(study):
    """Our indices of the price, SALib's X and Y."""
    indices = pandas.read_csv(study.out / "indices.csv")
    points = pandas.read_csv(study.out / "params.csv")[PROBLEM["names"]]
    means = pandas.read_csv(study.out / "Y.csv")
    return indices[indices.metric == "price"], points.to_numpy(float), means.price.to_numpy(float)


def ours(indices, index):
    rows = indices[indices["index"] == index].set_index("parameter")
    return rows.value[PROBLEM["names"]].to_numpy()


def close(one, other):
    numpy.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


def compare_sobol(study, second_order=True):
    indices, _, means = outputs(study)
    found = analyze_sobol.analyze(PROBLEM, means, calc_second_order=second_order, seed=1)
    close(ours(indices, "first"), found["S1"])
    close(ours(indices, "total"), found["ST"])
    if second_order:
        pairs = indices[indices["index"] == "second"]
        assert len(pairs) == 6
        for row in pairs.itertuples():
            at = PROBLEM["names"].index(row.parameter), PROBLEM["names"].index(row.other)
            close(row.value, found["S2"][at])
    # Bands are resampled by other draws: of a like width, and around the value.
    rows = indices[indices["index"] == "total"].set_index("parameter").loc[PROBLEM["names"]]
    assert (rows.low <= rows.value).all() and (rows.value <= rows.high).all()
    widths = (rows.high - rows.low).to_numpy() / 2
    numpy.testing.assert_allclose(widths, found["ST_conf"], rtol=0.5, atol=0.01)
    # Something was found: the numbers are not all alike.
    assert found["ST"].max() > 0.3


def compare_morris(study, levels):
    indices, points, means = outputs(study)
    found = analyze_morris.analyze(PROBLEM, points, means, num_levels=levels, seed=1)
    for index in ("mu", "mu_star", "sigma"):
        close(ours(indices, index), numpy.asarray(found[index], float))
    assert max(found["mu_star"]) > 0.1


@pytest.mark.parametrize("second_order", [True, False])
def test_our_sobol_sample_analysed_by_salib(study, second_order):
    study.write(f"  kind: sobol\n  samples: 256\n  second_order: {str(second_order).lower()}\n" + axes())
    study.run()
    compare_sobol(study, second_order)


def test_our_sobol_sample_is_salibs_without_scrambling(study):
    study.write("  kind: sobol\n  samples: 64\n" + axes())
    study.run()
    sample = sample_sobol.sample(PROBLEM, 64, scramble=False, skip_values=64)
    points = outputs(study)[1]
    # Ours are whole numbers of the last place.
    places = numpy.array([1e-4, 1e-2, 1e-3, 1e-12])
    assert numpy.all(numpy.abs(points - sample) <= places * 1.001 + 1e-9)


@pytest.mark.parametrize("replicates", [1, 3])
def test_our_morris_sample_analysed_by_salib(study, replicates):
    study.write("  kind: morris\n  trajectories: 30\n  levels: 6\n" + axes(), replicates=replicates)
    study.run()
    compare_morris(study, 6)


def test_salibs_sobol_sample_analysed_by_us(study):
    sample = sample_sobol.sample(PROBLEM, 128, seed=7)
    pandas.DataFrame(sample, columns=PROBLEM["names"]).to_csv(study.folder / "x.csv", index=False)
    study.write("  kind: matrix\n  file: x.csv\n  design: sobol\n")
    study.run()
    assert len(pandas.read_csv(study.out / "final.csv")) == len(sample)
    compare_sobol(study)


def test_salibs_morris_sample_analysed_by_us(study):
    sample = sample_morris.sample(PROBLEM, 20, num_levels=4, seed=7)
    # As numpy.savetxt writes it, with exponents.
    numpy.savetxt(
        study.folder / "x.csv", sample, delimiter=",", header=",".join(AXES), comments=""
    )
    study.write("  kind: matrix\n  file: x.csv\n  design: morris\n  levels: 4\n")
    study.run()
    compare_morris(study, 4)


def test_bands_are_those_of_pandas(study):
    study.write("  kind: grid\n  axes:\n    demand: [100, 900]\n", replicates=30, record="steps")
    study.run()
    results = pandas.read_csv(study.out / "results.csv")
    runs = pandas.read_csv(study.out / "runs.csv")[["run", "point"]]
    groups = results.merge(runs, on="run").groupby(["point", "step"]).price
    bands = pandas.read_csv(study.out / "bands.csv")
    bands = bands[bands.metric == "price"].set_index(["point", "step"]).sort_index()
    close(bands["mean"], groups.mean())
    for name, share in (("p5", 0.05), ("p50", 0.5), ("p95", 0.95)):
        close(bands[name], groups.quantile(share))
