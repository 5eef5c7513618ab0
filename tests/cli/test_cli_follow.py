"""Commands that follow one box: they print what the trace answers, and refuse wrong input."""

import subprocess
import sys

import pytest
from explain.test_invariants import edit, put
from typer.testing import CliRunner

from mrcnn_explained.cli import app as cli
from mrcnn_explained.errors import InputError

TINY = ["--weights", "random", "--size", "128"]


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def saved(tiny_trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "trace.npz"
    tiny_trace.save(path)
    return path


def one_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize("kind", ["detection", "roi", "anchor"])
def test_lineage_prints_the_story(saved, tiny_trace, kind):
    result = run("lineage", saved, f"--{kind}", 3)
    assert result.exit_code == 0, result.output
    assert one_line(result.output).startswith(one_line(str(tiny_trace.lineage(**{kind: 3}))))


@pytest.mark.slow
def test_lineage_of_an_image_runs_the_model():
    result = run("lineage", "--anchor", 5, *TINY)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("1. anchors: Anchor 5 of P2") and "random" in result.output


def test_why_missed_prints_the_answer(saved, tiny_trace):
    box = tiny_trace.instances.rois[0][0].tolist()
    result = run("why-missed", saved, "--box", ",".join(str(v) for v in box))
    assert one_line(result.output).startswith(one_line(str(tiny_trace.why_missed(box))))
    other = run("why-missed", saved, "--box", "0,0,20,20", "--class", "2")
    expected = one_line(str(tiny_trace.why_missed([0, 0, 20, 20], 2)))
    assert one_line(other.output).startswith(expected)


def test_compare_and_check_read_files(saved, tiny_model, tiny_trace, tmp_path):
    other = tiny_model.resume(tiny_trace, levels={"rounding": "floor"})
    other.save(tmp_path / "floor.npz")
    result = run("compare", saved, tmp_path / "floor.npz")
    assert result.exit_code == 0 and result.output.startswith("The first difference is at levels.")
    assert "every invariant holds" in run("check", saved).output
    wrong = edit(tiny_trace, "levels.roi_level", put((1, 1), 6))
    wrong.save(tmp_path / "wrong.npz")
    result = run("check", tmp_path / "wrong.npz")
    assert result.exit_code == 1 and "levels.roi_level[1, 1]: expected 2…5, is 6" in result.output


@pytest.mark.slow
def test_papers_shows_each_switch():
    from mrcnn_explained.explain.paper_variants import SWITCHES

    result = run("papers", *TINY)
    assert result.exit_code == 0, result.output
    assert all(f"{name} (deviation" in result.output for name in SWITCHES)


@pytest.mark.slow
def test_oracle_prints_a_row_for_each():
    result = run("oracle", "--count", 2)
    assert result.exit_code == 0, result.output
    for name in ("nothing", "proposals", "classes", "boxes", "masks"):
        assert name in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lineage"], "pass exactly one of --detection N, --roi N and --anchor N"),
        (["lineage", "--roi", "1", "--anchor", "1"], "pass exactly one of"),
        (["why-missed", "--box", "1,2,3"], "--box is '1,2,3'; expected four numbers"),
        (["why-missed", "--box", "a,b,c,d"], "expected four numbers, Y1,X1,Y2,X2"),
        (["check", "nothing.npz"], "nothing.npz is not a file; give the trace.npz"),
    ],
)
def test_bad_arguments_are_refused_before_tensorflow(arguments, words):
    code = (
        f"import sys; sys.argv[1:] = {arguments}\n"
        "from mrcnn_explained.cli.app import main\n"
        "try: main()\nexcept SystemExit as e: print(e.code, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stdout.strip() == "2 False"


def test_rows_and_classes_that_do_not_exist(saved):
    for arguments, words in [
        (["lineage", saved, "--roi", 999], "roi=999, but image 0 has 32"),
        (["why-missed", saved, "--box", "5,5,1,9"], "expected Y1,X1,Y2,X2 with Y2 > Y1"),
        (
            ["why-missed", saved, "--box", "5,5,9,9", "--class", "dog"],
            "'dog', not a class of this",
        ),
    ]:
        result = run(*arguments)
        assert isinstance(result.exception, InputError)
        with pytest.raises(InputError, match=words):
            raise result.exception


@pytest.mark.parametrize(
    "option",
    [["--size", 128], ["--weights", "shapes"], ["--backbone", "resnet50"], ["--device", "cpu"]],
)
@pytest.mark.parametrize("command", [["lineage", "--roi", 1], ["why-missed", "--box", "5,5,9,9"]])
def test_options_of_a_run_are_refused_with_a_saved_trace_by_their_own_names(saved, command, option):
    result = run(command[0], saved, *command[1:], *option)
    assert str(result.exception).startswith(f"{option[0]} applies to a run on an image, but")
