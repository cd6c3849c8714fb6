"""docs/lessons.md: the explainer's lessons, with the arithmetic of one model, LeNet on images of 28×28."""

from __future__ import annotations

from striate.explain.explainer.lessons import LESSONS, Lesson
from striate.explain.explainer.step_text import describe_step, describe_step_sizes
from striate.explain.explainer.steps import Step, extract_steps
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES

INTRODUCTION = """# What a convolutional model does

Fifteen short lessons. Each stands in every run's `inside.html` as well, with the numbers of that run's own model and
images beside it: the window slides over your image, under your kernels. To make such a page of an image of yours:

    striate explain RUN IMAGE --html page.html

Here the numbers are those of LeNet-5 on images of 28×28, as `striate train mnist --arch lenet` trains it."""


def lessons() -> str:
    """Returns the page as Markdown."""
    found = extract_steps(build_model(ARCHITECTURES["lenet"], (28, 28, 1), 10, dropout=0.3))
    parts = [INTRODUCTION, *(_lesson(lesson, found) for lesson in LESSONS)]
    return "\n\n".join(parts) + "\n"


def _lesson(lesson: Lesson, found: list[Step]) -> str:
    lines = [f"- `{step.name}`: {_told(step, found)}" for step in found if step.kind in lesson.step_kinds]
    worked = ["In LeNet:\n\n" + "\n".join(lines)] if lines else []
    sources = "Sources: " + "; ".join(lesson.references) + "."
    return "\n\n".join([f"## {lesson.title}", *lesson.paragraphs, *worked, sources])


def _told(step: Step, found: list[Step]) -> str:
    return " ".join([describe_step(step, found), *describe_step_sizes(step, found)])
