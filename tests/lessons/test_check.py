"""Exercises: every question without an answer, with the right one, with wrong ones."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained import (
    AnchorsExplorer,
    CropsExplorer,
    InputError,
    MaskRCNN,
    ProposalsExplorer,
    ShapesDataset,
    batches,
    compare,
    dataset_statistics,
    demo_image,
    diagnose,
    evaluate,
    fates,
    load_image,
)
from mrcnn_explained.explain.fates import FateKind
from mrcnn_explained.lessons.check import QUESTIONS, check_answer, forget_tries
from mrcnn_explained.weights.load import WeightReport

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
TASKS = [name for name, question in QUESTIONS.items() if question.is_task]
OTHERS = [name for name in QUESTIONS if name not in TASKS]
KINDS = {  # what the notebooks pass, by the name that they pass
    "trace": "Trace",
    "molded": "MoldedImage",
    "model": "MaskRCNN",
    "line": "Lineage",
    "step": "TrainingTrace",
    "report": "WeightReport",
    "of_object": "ndarray",
}


@pytest.fixture(scope="module")
def model():
    return MaskRCNN.from_preset("shapes")


@pytest.fixture(scope="module")
def trace(model):
    return model.trace(load_image(demo_image()))


@pytest.fixture(scope="module")
def passed(model, trace):
    """What the notebooks pass, by question."""
    dataset = ShapesDataset(2, seed=7)
    batch = next(iter(batches(dataset, model.config, batch_size=2, shuffle=False)))
    crops = CropsExplorer(trace)
    crops.settings["way"].value = crops.settings["way"].options[-1]
    tensors = {
        "17.1": tf.constant([[3, 2, 5], [2, 2, 3]]),
        "17.2": tf.reshape(tf.range(6), [2, 3, 1]) * 10,
        "17.3": tf.constant([7, 3, 9, 1]),
    }
    every = {
        "Trace": trace,
        "MoldedImage": trace.image,
        "MaskRCNN": model,
        "Lineage": trace.lineage(detection=0),
        "TrainingTrace": model.training_trace(batch),
        "DatasetStatistics": dataset_statistics(dataset, model.config),
        "WeightReport": WeightReport(Path("w.h5"), excluded=("a/kernel", "a/bias", "b/kernel")),
        "ndarray": np.array([0, -1, 2]),
        "Evaluation": evaluate(model, dataset),
        "Diagnosis": diagnose(trace, trace.instances.rois[0][0]),
        "Comparison": compare(trace, model.resume(trace, proposals={"nms_threshold": 0.3})),
    }
    about = {
        name: every[question.about.__name__]
        for name, question in QUESTIONS.items()
        if question.about and name not in tensors
    }
    return {**about, **tensors, "08.4": crops}


@pytest.fixture(autouse=True)
def from_the_first_hint():
    forget_tries()


def said(capsys, *arguments):
    check_answer(*arguments)
    return capsys.readouterr().out


def right_answer(question, about):
    right = QUESTIONS[question].right(about)
    return sorted(right)[0] if isinstance(right, set) else right


@pytest.mark.parametrize("question", OTHERS)
def test_no_answer_the_right_one_and_wrong_ones(question, passed, capsys):
    asked, about = QUESTIONS[question], passed.get(question)
    assert said(capsys, question, None, about).startswith("Put your answer in place of None")
    right = right_answer(question, about)
    wrong = [option for option in asked.options if option != right][:3] or [
        tuple(np.add(right, 50 + i)) if isinstance(right, tuple) else 3 * right + 10**6 + i
        for i in range(3)
    ]
    for step, answer in enumerate(wrong, 1):
        hint = f"Not yet. Hint {step} of 3: {asked.hints[step - 1]}\n"
        assert said(capsys, question, answer, about) == hint
        assert said(capsys, question, answer, about) == hint  # the same answer brings no new one
    assert said(capsys, question, right, about) == f"Right. {asked.why}\n"


@pytest.mark.parametrize("question", QUESTIONS)
def test_hints_and_explanations_are_sentences_and_name_no_direction(question):
    asked = QUESTIONS[question]
    for text in (*asked.hints, asked.why):
        assert re.search(r"[.?]$", text), text
        assert not re.search(r"too (low|high|small|large|few|many)", text, re.I)
    assert len(asked.why.split()) >= 5 and len(set(asked.hints)) == 3
    if asked.options:  # the first two hints do not name the right one
        right = asked.right(None) if asked.about is None else "proposals"
        assert not any(f'"{right}"' in hint for hint in asked.hints[:2])


def test_answers_on_the_demo_image(passed, trace):
    fixed = {
        "00.1": 8,
        "01.1": 0,
        "01.3": 22,
        "02.1": 16,
        "02.2": 2048,
        "02.3": 2,
        "03.1": 64 * 64,
        "03.3": 4,
        "03b.1": pytest.approx(1 / 3),
        "03b.2": pytest.approx(0.693, abs=1e-3),
        "03b.3": 5,
        "04.1": 192,
        "04.2": pytest.approx(75.07, abs=0.01),
        "04.3": pytest.approx(90.5, abs=0.1),
        "06.1": 1000,
        "07.1": 3,
        "07.2": 2,
        "08.2": 49,
        "08.3": 196,
        "09.1": 200_007,
        "10.1": 40,
        "12.1": 80,
        "12.2": 10,
        "16.2": 2,
        "16.3": 1e-3,
        "17.1": 2,
        "17.2": 50,
        "17.3": 3,
        "18.1": 2,
        "19.2": "proposals",
        "20.1": 0,
        "20.2": 25,
    }
    found = {name: right_answer(name, passed.get(name)) for name in fixed}
    assert found == fixed
    kinds = [fate.kind for fate in fates(trace)]
    assert right_answer("00.2", trace) == len(kinds)
    assert right_answer("10.2", trace) == kinds.count(FateKind.BACKGROUND)
    assert right_answer("11.1", trace) == len(kinds) - kinds.count(FateKind.BACKGROUND)
    assert right_answer("11.2", trace) == kinds.count(FateKind.SUPPRESSED)


def test_measured_answers_are_close_but_no_others_are(capsys, trace):
    assert "It is within 10 %" in said(capsys, "04.2", 70, trace)
    assert "within" not in said(capsys, "04.2", 50, trace)
    off_by_one = said(capsys, "06.1", 999, trace)  # a count
    assert off_by_one.startswith("Not yet.") and "within" not in off_by_one
    assert said(capsys, "04.2", 74.3, trace).startswith("Right.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("99.1", 3), "no question '99.1'"),
        (("07.1", "3"), "expected one number"),
        (("07.1", [3, 4]), "expected one number"),
        (("11.3", 2), '"yes" or "no"'),
        (("07.3", 3), "question 07.3 got NoneType; expected Trace"),
    ],
)
def test_answers_of_another_kind_are_refused(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_answer(*arguments)


def test_true_is_yes_and_case_does_not_count(capsys):
    assert said(capsys, "11.3", False).startswith("Right.")
    assert said(capsys, "12.3", " Sigmoid").startswith("Right.")
    assert said(capsys, "11.3", True).startswith("Not yet.")


# Tasks ----------------------------------------------------------------------------------------


def test_the_task_of_notebook_04_is_done_in_the_explorer(trace, capsys):
    explorer = AnchorsExplorer(trace)
    assert said(capsys, "04.4", None, explorer).startswith("Do the task, put True")
    assert said(capsys, "04.4", True, explorer).startswith("Not yet. Hint 1")
    assert said(capsys, "04.4", True, explorer).startswith("Not yet. Hint 1")
    level, row, column = (explorer.settings[name] for name in ("level", "row", "column"))
    level.value = 2
    assert said(capsys, "04.4", True, explorer).startswith("Not yet. Hint 2")  # still too large
    explorer.box_moved("object", [93.0, 93.0, 107.0, 107.0])  # the anchors of P2 have 16 px
    row.value, column.value = 0, 0
    assert said(capsys, "04.4", True, explorer).startswith("Not yet. Hint 3")
    row.value, column.value = 25, 25  # of 4 px each
    assert explorer.overlaps.max() == pytest.approx((14 / 16) ** 2)
    assert said(capsys, "04.4", True, explorer).startswith("Not yet.")
    explorer.box_moved("object", [92.5, 92.5, 107.5, 107.5])
    assert said(capsys, "04.4", True, explorer).startswith("Right.")


def test_the_task_of_notebook_06_is_done_when_an_object_has_no_box(trace, capsys):
    explorer = ProposalsExplorer(trace)
    assert said(capsys, "06.4", True, explorer).startswith("Not yet. Hint 1")
    explorer.settings["nms_threshold"].value = 0.05
    explorer.settings["count"].value = 1  # one ROI cannot cover eight objects
    assert said(capsys, "06.4", True, explorer).startswith("Right.")
    nothing = trace.detections._replace(valid=np.zeros_like(trace.detections.valid))
    empty = ProposalsExplorer(trace._replace(detections=nothing))
    assert said(capsys, "06.4", True, empty).startswith("No object was detected")


def test_the_task_of_notebook_08_needs_roi_align_and_follows_the_chosen_roi(trace, capsys):
    explorer = CropsExplorer(trace)
    assert said(capsys, "08.4", (0, 0), explorer).startswith("Choose ROIAlign")
    explorer.settings["way"].value = explorer.settings["way"].options[-1]
    for roi in (0, 1):
        explorer.settings["roi"].value = roi
        level = int(trace.levels.roi_level[0, roi])
        crops = explorer.aligned[level].pooled[0], explorer.result[level].pooled[0][0]
        change = np.abs(np.mean(crops[0], axis=-1) - np.mean(crops[1], axis=-1))
        most = np.unravel_index(change.argmax(), change.shape)
        assert said(capsys, "08.4", tuple(map(int, most)), explorer).startswith("Right.")
        least = np.unravel_index(change.argmin(), change.shape)
        assert said(capsys, "08.4", tuple(map(int, least)), explorer).startswith("Not yet.")
    with pytest.raises(InputError, match="whole numbers"):
        check_answer("08.4", 3, explorer)


# Notebooks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_cell_holds_its_solution(path):
    sources = ["".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"]]
    exercises = [
        source for source in sources if "check_answer(" in source and "import" not in source
    ]
    assert len(exercises) >= 3
    for source in exercises:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        assert names <= {"check_answer", "compare", "diagnose", "model.resume"}, source
        (check,) = (call for call in calls if ast.unparse(call.func) == "check_answer")
        question, answer, *about = check.args
        assert ast.unparse(answer) == "None" and len(about) <= 1 and not check.keywords
        asked = QUESTIONS[question.value]
        assert bool(about) == bool(asked.about or question.value in (*TASKS, "08.4"))
        if about and ast.unparse(about[0]) in KINDS:
            assert KINDS[ast.unparse(about[0])] == asked.about.__name__
