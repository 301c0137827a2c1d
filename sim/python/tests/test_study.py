"""Frames, Parquet, figures and SALib on studies that the real program ran."""

import shutil
from decimal import Decimal

import matplotlib
import numpy as np
import pandas as pd
import pytest
from exchequer_sim import (
    Study,
    StudyError,
    analyze,
    fan,
    heat_map,
    index_bars,
    problem,
    run,
    sample_file,
)

matplotlib.use("Agg")


def test_a_grid_has_a_row_a_run_and_a_row_a_step(grid):
    assert grid.kind == "grid"
    assert grid.axes == ["demand", "sell_share"]
    assert len(grid.final) == 2 * 3 * 8
    assert len(grid.results) == 2 * 3 * 8 * 40
    assert grid.metric == "price" and "price" in grid.metrics
    assert grid.label("price").startswith("price, ")


def test_bands_are_those_that_the_program_wrote(grid):
    ours = grid.bands("price")
    theirs = grid.table("bands").query("metric == 'price'").reset_index(drop=True)
    for mine, its in (("low", "p5"), ("median", "p50"), ("high", "p95")):
        np.testing.assert_allclose(ours[mine], theirs[its], rtol=1e-12)


def test_differences_are_paired_by_luck(grid):
    wide = grid.final.set_index(["point", "replicate"])["price"]
    differences = grid.paired()
    assert list(differences.columns) == [1, 2, 3, 4, 5]
    assert differences.loc[3, 4] == wide[4, 3] - wide[0, 3]
    assert (differences[3] > 0).all()  # ten times the demand at the same share


def test_exact_numbers_are_the_text_of_the_file(grid):
    exact = grid.table("final", exact=True)
    text = pd.read_csv(grid.folder / "final.csv", dtype=str)
    assert exact.loc[7, "price"] == Decimal(text.loc[7, "price"])
    assert isinstance(exact.loc[0, "sell_share"], Decimal)
    assert exact["seed"].dtype == "uint64"


@pytest.mark.parametrize("exact", [False, True])
def test_parquet_holds_the_same_numbers_and_their_units(grid, tmp_path, exact):
    import pyarrow.parquet as pq

    final, results = grid.to_parquet(tmp_path, exact)
    back = pq.read_table(final)
    assert back.schema.field("price").metadata[b"unit"] == b"usd"
    assert b"halving_pool" in back.schema.metadata[b"manifest"]
    pd.testing.assert_frame_equal(back.to_pandas(), grid.table("final", exact))
    assert pq.read_metadata(results).num_rows == len(grid.results)


def test_a_changed_file_is_found(grid, tmp_path):
    grid.check()
    copy = tmp_path / "copy"
    shutil.copytree(grid.folder, copy)
    file = copy / "final.csv"
    file.write_text(file.read_text().replace("0", "1", 1))
    with pytest.raises(StudyError, match="final.csv is not what the study wrote"):
        Study(copy).check()


def test_what_is_wrong_with_a_scenario_is_said_with_its_line(tmp_path):
    with pytest.raises(StudyError, match=r"out\.yaml:2:"):
        run("model: halving_pool\nstepps: 3\n", tmp_path / "out")
    with pytest.raises(StudyError, match="no study's folder"):
        Study(tmp_path)


def test_figures_show_what_the_frames_hold(grid, sobol, morris):
    lines = fan(grid).get_lines()
    assert len(lines) == 6
    np.testing.assert_allclose(lines[0].get_ydata(), grid.bands().query("point == 0")["median"])
    ax = heat_map(grid, line=([100, 1_000], [0.25, 1.0]))
    assert ax.collections[0].get_array().size == 6
    assert len(ax.get_lines()) == 2
    for study, bars in ((sobol, 4), (morris, 2)):
        assert len(index_bars(study).patches) == bars
    matplotlib.pyplot.close("all")


def test_salib_says_the_same_of_the_same_points(sobol, morris):
    names = problem(sobol)["names"]
    for kind, key in (("first", "S1"), ("total", "ST")):
        ours = sobol.indices.query(f"metric == 'price' and index == '{kind}'").set_index(
            "parameter"
        )
        np.testing.assert_allclose(ours.loc[names, "value"], analyze(sobol)[key], rtol=1e-9)
    ours = morris.indices.query("metric == 'price' and index == 'mu_star'").set_index("parameter")
    np.testing.assert_allclose(ours.loc[names, "value"], analyze(morris)["mu_star"], rtol=1e-9)


def test_a_sample_of_salib_is_a_study(sobol, tmp_path):
    from SALib.sample import latin

    box = problem(sobol)
    sample_file(box, latin.sample(box, 12, seed=3), tmp_path / "sample.csv")
    matrix = run(
        "model: halving_pool\nsteps: 5\nstudy:\n  kind: matrix\n  file: sample.csv\n",
        tmp_path / "out",
    )
    assert len(matrix.final) == 12
    assert matrix.axes == box["names"]


def test_a_grid_has_no_indices(grid):
    with pytest.raises(StudyError, match="no bounds"):
        problem(grid)
