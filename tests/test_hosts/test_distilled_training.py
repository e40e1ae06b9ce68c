"""Distillation in real runs: mmengine's runner with hooks, resuming, and DistributedDataParallel."""

import pytest
import torch
import torch.distributed as dist
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset

GATED = dict(
    gate=dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5),
    gate_loss=dict(type='msvit.GBaSLoss', target=0.3, weight=3.0),
    train_layout='trimmed',
)
TERMS = {
    'loss',
    'loss_distill_class',
    'loss_distill_tokens',
    'loss_gate_prior',
    'loss_gate_hyperprior',
    'fine_share',
    'tokens',
}


class NoiseSet(Dataset):
    """Eight noise images of five classes."""

    metainfo = dict(classes=tuple('abcde'))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        image = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(index))
        return dict(inputs=image, data_samples=DataSample().set_gt_label(index % 5))


class Log(Hook):
    """Keeps what each step reports."""

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append({name: float(value.detach()) for name, value in outputs.items()})


@pytest.fixture
def train(classifier_config, tmp_path, perturb, safe_loading):
    """Runs a distilled training of so many iterations and returns its runner and log."""
    weights = tmp_path / 'teacher.pth'
    torch.manual_seed(5)
    teacher = classifier_config()
    torch.save(perturb(MODELS.build(ConfigDict(dict(teacher, type='mmpretrain.ImageClassifier')))).state_dict(), weights)
    model = dict(
        classifier_config(**GATED),
        type='msvit.DistilledClassifier',
        data_preprocessor=dict(mean=[0.0] * 3, std=[1.0] * 3, num_classes=5),
        teacher=dict(teacher, pretrained=str(weights)),
    )

    def run(folder: str, iterations: int, resume: bool = False) -> tuple[Runner, list[dict]]:
        log = Log()
        torch.manual_seed(0)
        runner = Runner(
            model=ConfigDict(model),
            work_dir=str(tmp_path / folder),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=NoiseSet(),
                sampler=dict(type='InfiniteSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate'),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False)),
            custom_hooks=[
                *(dict(type=f'msvit.{name}Hook') for name in ('GateLoss', 'IterationSeed', 'Consistency')),
                dict(type='EMAHook', momentum=0.5),
                log,
            ],
            resume=resume,
            default_scope='mmpretrain',
            randomness=dict(seed=0),
            log_level='ERROR',
            experiment_name=f'{tmp_path.name}_{folder}_{iterations}',
        )
        runner.train()
        return runner, log.steps

    return run


def test_a_run_logs_its_terms_saves_the_student_alone_and_resumes_exactly(train, tmp_path, classifier_config):
    runner, whole = train('whole', 4)
    assert all(set(step) == TERMS for step in whole)
    assert all(step['loss_distill_class'] > 0 and step['loss_distill_tokens'] > 0 for step in whole)
    assert len({step['loss_distill_tokens'] for step in whole}) == 4
    taken = {id(parameter) for group in runner.optim_wrapper.param_groups for parameter in group['params']}
    assert taken == {id(parameter) for parameter in runner.model.parameters()}

    saved = torch.load(tmp_path / 'whole' / 'iter_4.pth', weights_only=False)
    plain = MODELS.build(ConfigDict(dict(classifier_config(**GATED), type='mmpretrain.ImageClassifier')))
    plain.load_state_dict(saved['state_dict'])  # strict: nothing missing, nothing more
    assert len(saved['optimizer']['param_groups'][0]['params']) == len(list(plain.parameters()))

    _, first = train('parts', 2)
    _, second = train('parts', 4, resume=True)
    assert first + second == whole
    resumed = torch.load(tmp_path / 'parts' / 'iter_4.pth', weights_only=False)
    for part in ('state_dict', 'ema_state_dict'):
        assert saved[part].keys() == resumed[part].keys()
        assert all(torch.equal(value, resumed[part][name]) for name, value in saved[part].items())


def test_a_teacher_that_does_not_fit_stops_the_run_before_its_first_step(train, classifier_config, tmp_path):
    other = MODELS.build(ConfigDict(dict(classifier_config(arch=dict(depth=1)), type='mmpretrain.ImageClassifier')))
    torch.save(other.state_dict(), tmp_path / 'teacher.pth')
    with pytest.raises(Exception, match="does not fit the teacher's config"):
        train('refused', 1)


def test_every_parameter_trains_under_ddp(distilled, batch, tmp_path):
    """DDP's second step fails if a trainable parameter got no gradient in the first."""
    dist.init_process_group('gloo', store=dist.FileStore(str(tmp_path / 'store'), 1), rank=0, world_size=1)
    try:
        model = distilled(**GATED)
        host = DistributedDataParallel(model)
        optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
        for _ in range(3):
            losses = {**host(*batch(), mode='loss'), **model.backbone.pop_gate_losses()}
            optimizer.update_params(sum(value for name, value in losses.items() if 'loss' in name))
        assert all(parameter.grad is None for parameter in model.teacher.parameters())
        assert not any(name.startswith('module.teacher') for name in host.state_dict())
    finally:
        dist.destroy_process_group()
