"""What the GPU script runs: one line for each step. Later work adds lines here."""

from typing import NamedTuple

# Files that hold tests with the marker 'gpu': to collect them alone takes seconds, and the whole suite half a minute.
GPU_TESTS = (
    'tests/test_attention.py tests/test_waits.py tests/test_backbones/test_graphs.py '
    'tests/test_backbones/test_ms_vit_compile.py tests/test_backbones/test_ms_vit_precision.py '
    'tests/test_scale_out/test_fsdp.py'
)
_OTHER_GROUPS = 'vit segmenter batch training precision peers hosts'


class Step(NamedTuple):
    """One thing to measure.

    Commands run in the root of the project and may hold {python}, {out} (files to keep), {scratch} (files to forget), {data}
    and {weights}. What a step writes to {out}/<name>.json becomes part of the summary.

    Args:
        name: of the step, letters and underscores.
        worth: the higher, the earlier it runs.
        seconds: its time limit; a rehearsal may take three times as long.
        command: what runs on a GPU.
        small: what runs in a rehearsal on a CPU.
    """

    name: str
    worth: int
    seconds: int
    command: str
    small: str


STEPS = (
    Step(
        'tests',
        100,
        90,
        f'{{python}} -m pytest -q -m gpu -n 4 --dist worksteal -p no:cacheprovider --durations 5 {GPU_TESTS}',
        f'{{python}} -m pytest -q -m gpu -p no:cacheprovider {GPU_TESTS}',
    ),
    Step(
        'speed',
        90,
        150,
        '{python} -m msvit speed --groups throughput --device cuda --dtype bfloat16 --rounds 20 --overwrite '
        '--out {out}/speed.json',
        '{python} -m msvit speed --groups throughput --sizes 224 --rounds 1 --overwrite --out {out}/speed.json',
    ),
    Step(
        'trainings',
        80,
        410,
        '{python} tools/benchmarks/train_twins.py --data {data} --weights {weights} --iters 1200 --seconds 400 '
        '--scratch {scratch} --out {out}/trainings.json',
        '{python} tools/benchmarks/train_twins.py --data {data} --weights {weights} --small --seconds 870 --scratch {scratch} '
        '--out {out}/trainings.json',
    ),
    Step(
        'other_speed',
        50,
        150,
        f'{{python}} -m msvit speed --groups {_OTHER_GROUPS} --device cuda --dtype bfloat16 --rounds 15 --overwrite '
        '--out {out}/other_speed.json',
        '{python} -m msvit speed --groups precision --rounds 1 --overwrite --out {out}/other_speed.json',
    ),
)
