"""READ FIRST. The verbs of mnemoscope, each a list of stages; only `steps` opens the doors between rooms.

    text ──prepare──▶ records ──finetune──▶ adapter ──trace──▶ traces ──attack──▶ scores ──────▶ estimates ──▶ report
                       │                                      └──extract──▶ extractions ─────────┤
                       │                     adapter ──generate──▶ generations ──────────────────┤
                       └──check──▶ checks of the texts alone ────────────────────────────────────┘

Each arrow is a stage that writes its files into the run folder and is skipped when its inputs have not changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import RenderableType

from mnemoscope import steps
from mnemoscope.config import Canaries, Columns, Compute, Measurement, Training
from mnemoscope.errors import ConfigError
from mnemoscope.option_types import Names
from mnemoscope.results import Adapter, Audit, Compared, StudyResult
from mnemoscope.store import Run

DEFAULT = "smollm2-135m-instruct-q4"
"""The built-in model."""

DEMO = Training(
    matrices="qkvo", rank=16, dropout=0, learning_rate=3e-3, batch_size=8, epochs=4, copies=14, planted=3, heldout=8
)
"""Chosen so that a 2-core machine is done in minutes and the planted notes come back."""

QUICK = Measurement(span_sample=1, generations="30")
"""Fewer values are ranked and fewer texts continued than in an audit, to be done in minutes as well."""


def finetune(
    model: str,
    *,
    out: Path,
    data: str | None = None,
    members: str | None = None,
    nonmembers: str | None = None,
    columns: Columns = Columns(),
    training: Training = Training(),
    compute: Compute = Compute(),
    seed: int = 13,
) -> Adapter:
    """Fine-tune MODEL with LoRA on your records and keep the adapter as a plain PEFT folder.

    A killed run goes on where it was when the same command is given again.

    For example:

        mnemoscope finetune smollm2-135m-instruct-q4 --data phee --matrices vo --rank 8 --out runs/a
        mnemoscope finetune ./my-model --members notes.jsonl --nonmembers held-out.jsonl --out runs/b

    Args:
        model: Built-in model (smollm2-135m-instruct-q4), local folder, .gguf file or hub id.
        out: Run folder to make or to go on with.
        data: phee, synthetic or synthetic:N, a folder with train/dev/test files, a file with a split column, or a hub
            set. Train is trained on; dev and test are held out.
        members: File whose records are trained on (instead of --data).
        nonmembers: File whose records are held out, from the same distribution.
        seed: One number from which every random draw is derived.
    """
    given = steps.read(data, members, nonmembers, columns, seed)  # first: the quickest to refuse
    run = Run(Path(out))
    records, slots = steps.plant(given, training, columns, seed)
    lm = steps.open_for_training(model, training, compute, seed)
    steps.prepare(run, records, data or "members and nonmembers")
    run.note(coin_flip=columns.coin_flip_split)
    cell = training.cell(seed)
    parameters = steps.train(run, cell, lm, records, slots, training, compute, seed)
    return Adapter(run.folder, cell, parameters)


def audit(
    model: str,
    *,
    adapter: Path | None = None,
    reference: str | None = None,
    reference_run: Path | None = None,
    out: Path | None = None,
    data: str | None = None,
    members: str | None = None,
    nonmembers: str | None = None,
    columns: Columns = Columns(),
    measurement: Measurement = Measurement(),
    compute: Compute = Compute(),
    canaries: Path | None = None,
    seed: int = 13,
    show_text: bool = False,
) -> Audit:
    """Measure what a fine-tuned model remembers of its training text.

    The target is MODEL with --adapter, compared with MODEL alone; or a merged MODEL, compared with --reference.
    Finished stages are kept: the same command goes on where it was, and is quick when nothing has changed.

    For example:

        mnemoscope audit smollm2-135m-instruct-q4 --adapter runs/a
        mnemoscope audit ./base --adapter ./my-peft-adapter --members train.jsonl --nonmembers new.jsonl --out runs/b
        mnemoscope audit ./merged --reference ./base --data phee --out runs/c
        mnemoscope audit smollm2-135m-instruct-q4 --adapter runs/d --reference-run runs/a

    Args:
        model: Built-in model, local folder, .gguf file or hub id.
        adapter: PEFT folder, or a run folder of mnemoscope finetune (then its records are the default data).
        reference: Model that a merged target is compared with.
        reference_run: Run folder of an earlier audit of the same records against the same base: its reading of the base
            is taken over, which saves one of the two passes.
        out: Run folder; the adapter's own run folder when not given.
        data: As in mnemoscope finetune.
        members: File whose records were trained on (instead of --data).
        nonmembers: File whose records were not, from the same distribution.
        canaries: Manifest of mnemoscope canaries, where the model was trained on a file with canaries in it.
        seed: One number from which every random draw is derived.
        show_text: Put the text of records into report.html, which is then private.
    """
    if (adapter is None) == (reference is None):
        raise ConfigError("give either --adapter DIR or, for a merged model, --reference MODEL")
    steps.check_judge(measurement.judge)
    trained = steps.find_adapter(adapter)
    names = steps.choose(measurement, trained)
    planted = steps.read_canaries(canaries)
    records, source = steps.audited_records(trained, data, members, nonmembers, columns, seed)
    run = Run(steps.audit_folder(out, trained))
    apart = steps.set_apart(records, planted)
    case = steps.open_case(run, model, trained, reference, records, apart, measurement, compute, seed)
    earlier = steps.taken_over(case, reference_run)
    steps.foresee(case, names)
    steps.prepare(run, records, source, audited=apart)
    steps.measure(case, names, planted, coins=steps.by_coins(trained, apart), reading=earlier)
    steps.report(Run(run.folder), show_text=show_text)  # from what is on disk, as anybody else would
    return Audit(run.folder, case.cell)


def canaries(
    model: str,
    *,
    data: Path,
    out: Path,
    columns: Columns = Columns(),
    wanted: Canaries = Canaries(),
    compute: Compute = Compute(),
    seed: int = 13,
) -> Path:
    """Plant canaries in a data file before a training anywhere, and write down which: audit --canaries reads it.

    A fair coin decides for each canary whether it is planted; the others are held out, to be compared with. Train on
    the written file instead of yours, with mnemoscope finetune or with any other trainer.

    For example:

        mnemoscope canaries smollm2-135m-instruct-q4 --data train.jsonl --out canaries
        mnemoscope finetune smollm2-135m-instruct-q4 --members canaries/train.jsonl --nonmembers new.jsonl --out runs/a
        mnemoscope audit smollm2-135m-instruct-q4 --adapter runs/a --canaries canaries/canaries.json

    Args:
        model: The model that will be fine-tuned; it counts tokens and draws the perplexing texts.
        data: File to plant into: .jsonl, .json, .csv or .parquet.
        out: New folder for the planted file, which keeps its name, and canaries.json.
        seed: One number from which every random draw is derived.
    """
    made = steps.make_canaries(model, Path(data), Path(out), wanted, columns=columns, compute=compute, seed=seed)
    return made.manifest


def study(
    file: Path | None = None,
    *,
    data: str | None = None,
    out: Path | None = None,
    executor: Literal["here", "ray"] = "here",
    jobs: int = 1,
    address: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    status: Path | None = None,
) -> StudyResult | RenderableType:
    """Run a study: a grid of fine-tunings, each of them audited, and the answers that they give together.

    Cells are independent: one that fails is recorded and the others go on. A killed study goes on where it was when
    the same command is given again.

    For example:

        mnemoscope study studies/quick.yaml --jobs 2
        mnemoscope study studies/paper.yaml --data phee --dry-run
        mnemoscope study studies/paper.yaml --data phee --executor ray --address auto
        mnemoscope study --status runs/paper

    Args:
        file: Study file (YAML); docs/study.schema.json describes it to editors.
        data: As in mnemoscope finetune; goes before data.source of the study file.
        out: Study folder to make or to go on with; runs/NAME when not given.
        executor: here: on this machine. ray: on a Ray cluster (pip install 'mnemoscope[ray]').
        jobs: Cells at once on this machine, each in a process that holds the model, all on its one GPU where there is
            one; 1 runs them one after the other in this process.
        address: Ray cluster to join: auto, host:port or ray://host:port; without it Ray runs on this machine alone.
        dry_run: Run nothing; list the cells with their tokens, and the time and disk by a short calibration.
        status: Run nothing; say how far the study in this folder is, from another terminal.
    """
    if status is not None:
        return steps.shown_status(steps.read_status(status))
    if file is None:
        raise ConfigError("give a study file, such as studies/quick.yaml, or --status DIR")
    from mnemoscope.study_yaml import read_study  # slow to import, and no other verb needs it

    where = steps.Where(executor, address, jobs)
    planned = steps.plan(read_study(file), data, out)
    if dry_run:
        return steps.foresee_study(planned, jobs)
    errors = steps.run_cells(planned, where)
    steps.answer(planned, errors)
    return StudyResult(planned.run.folder, tuple(errors))


def report(run: Path, *, show_text: bool = False, figures: Names = ()) -> Audit | StudyResult:
    """Write summary.json and report.html of a finished audit or of a study again, and its figures where asked for.

    A study that was stopped is reported from the cells that are finished.

    For example:

        mnemoscope report runs/a
        mnemoscope report runs/a --figures svg
        mnemoscope report runs/study --figures png,pdf

    Args:
        run: Run folder of mnemoscope audit, or study folder of mnemoscope study.
        show_text: Put the text of records into the page, which is then private.
        figures: Write each figure of the page to RUN/figures too, as svg, png or pdf, with commas; svg scales and can
            be edited, png (twice the page's size, on white) goes into slides, pdf into LaTeX. What an earlier call left
            there is replaced. No figure holds text of a record.
    """
    formats = steps.figure_formats(figures)  # first: the quickest to refuse
    opened = Run(Path(run))
    result: Audit | StudyResult
    if "study" in opened.manifest:
        steps.report_again(opened, show_text=show_text)
        result = StudyResult(opened.folder, ())
    else:
        result = Audit(opened.folder, steps.report(opened, show_text=show_text, again=True))
    if formats:
        steps.draw(opened, formats)
    return result


def compare(before: Path, after: Path, *, out: Path | None = None, seed: int = 13) -> Compared:
    """Compare two finished audits: before and after a defence, or any two trainings.

    Differences are after minus before. They are paired where both audits measured the same records, and held-out
    perplexity stands beside leakage, because any defence can buy less leakage with a worse model.

    For example:

        mnemoscope compare runs/plain runs/private
        mnemoscope compare runs/study/cells/v-r4-x1-s13 runs/study/cells/q-r4-x1-s13 --out runs/v-and-q

    Args:
        before: Run folder of an audit, or a cell of a study.
        after: The same of the other audit.
        out: Folder for report.html, summary.json and changes.parquet; AFTER/compared-with-BEFORE when not given.
        seed: One number from which every random draw is derived.
    """
    return Compared(steps.compare_runs(Path(before), Path(after), None if out is None else Path(out), seed))


def demo(*, out: Path = Path("demo"), seed: int = 13) -> Audit:
    """The whole instrument on the built-in model and invented notes: fine-tune, audit, report; a few minutes.

    Three notes are planted 14 times among 120, so that the page has something to show.

    Args:
        out: Run folder.
        seed: One number from which every random draw is derived.
    """
    adapter = finetune(DEFAULT, out=out, data="synthetic:120", training=DEMO, seed=seed)
    return audit(DEFAULT, adapter=adapter.run, measurement=QUICK, seed=seed)
