"""The teacher: there for training alone, frozen, outside of the student, and refused where it does not fit."""

from copy import deepcopy

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from mmpretrain.models import ImageClassifier

from msvit.backbones import TokenTrace
from msvit.checkpoints import CheckpointError, save_weights

DISTILLED = dict(type='msvit.MSDeiT', arch='deit_tiny_distilled_patch16_224', coarse_patch_size=32)


def test_the_student_alone_is_saved_trained_and_seen(distilled, classifier_config):
    model = distilled()
    plain = MODELS.build(ConfigDict(dict(classifier_config(), type='mmpretrain.ImageClassifier')))
    assert model.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(model.state_dict())
    assert {name for name, _ in model.named_parameters()} == {name for name, _ in plain.named_parameters()}
    assert not set(map(id, model.modules())) & set(map(id, model.teacher.modules()))


def test_it_never_trains(distilled, batch):
    model = distilled(teacher=None).train()
    before = deepcopy(model.teacher.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        sum(model.train().loss(*batch()).values()).backward()
        optimizer.step()
    assert not any(module.training for module in model.teacher.modules())
    assert not any(parameter.requires_grad for parameter in model.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.teacher.state_dict().items())


def test_dropout_and_drop_path_leave_it_alone(distilled, classifier_config, batch):
    model = distilled(teacher=classifier_config(arch=dict(proj_drop_rate=0.5), drop_path_rate=0.5))
    first, second = (model.loss(*batch())['loss_distill_class'] for _ in range(2))
    assert torch.equal(first, second)


def test_student_and_teacher_alike_lose_nothing(distilled, batch):
    model = distilled()
    model.teacher.load_state_dict(model.state_dict())
    losses = model.loss(*batch())
    assert losses['loss'] > 0.1
    assert losses['loss_distill_class'].item() == pytest.approx(0, abs=1e-6)
    assert losses['loss_distill_tokens'].item() == pytest.approx(0, abs=1e-10)


def test_learning_brings_the_student_nearer(distilled, batch):
    model = distilled(gate=dict(type='msvit.UniformGate', fine_share=0.5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(12):
        losses = model.loss(*batch())
        del losses['loss']
        history.append({name: loss.item() for name, loss in losses.items()})
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert all(history[-1][name] < 0.8 * first for name, first in history[0].items())


def test_it_follows_the_student(distilled, batch):
    model = distilled()
    inputs, samples = batch()
    single = model.loss(inputs, samples)
    double = model.double().loss(inputs.double(), samples)
    assert {parameter.dtype for parameter in model.teacher.parameters()} == {torch.float64}
    for name, loss in double.items():
        assert loss.item() == pytest.approx(single[name].item(), rel=1e-4)
    assert {parameter.device.type for parameter in model.to('meta').teacher.parameters()} == {'meta'}


def test_a_late_teacher_takes_the_students_precision(classifier_config, distilled, batch):
    model = MODELS.build(ConfigDict(dict(classifier_config(), type='msvit.DistilledClassifier', teacher=classifier_config())))
    inputs, samples = batch()
    assert model.double().loss(inputs.double(), samples)['loss_distill_class'].dtype == torch.float64


def test_copies_have_teachers_of_their_own(distilled, batch):
    model = distilled()
    twin = deepcopy(model)
    assert twin.teacher is not model.teacher
    for mine, its in zip(model.loss(*batch()).values(), twin.loss(*batch()).values(), strict=True):
        assert torch.equal(mine, its)
    twin.double()
    assert next(model.teacher.parameters()).dtype == torch.float32


def test_it_runs_under_the_students_autocast(distilled, batch):
    model = distilled(gate=dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5))
    seen = []
    model.teacher.backbone.blocks[0].attn.qkv.register_forward_hook(lambda *args: seen.append(args[-1].dtype))
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(*batch())
    sum(losses.values()).backward()
    assert seen == [torch.bfloat16]
    assert all(loss.isfinite() and loss.dtype == torch.float32 for name, loss in losses.items() if 'distill' in name)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_building_it_draws_nothing_from_the_students_generator(classifier_config):
    state = []
    for touch in (False, True):
        torch.manual_seed(0)
        config = dict(classifier_config(), type='msvit.DistilledClassifier', teacher=classifier_config())
        model = MODELS.build(ConfigDict(config))
        if touch:
            assert model.teacher is model.teacher
        state.append(torch.get_rng_state())
    assert torch.equal(*state)


def test_metrics_do_not_count_its_tokens(distilled, batch):
    model, trace = distilled(), TokenTrace()
    model.loss(*batch())
    assert trace.drain() == []
    with torch.no_grad():
        model.eval()(batch()[0])
    assert [record.backbone for record in trace.drain()] == [model.backbone]


def test_inference_does_without(distilled, classifier_config, batch):
    teacher = dict(classifier_config(), pretrained='nowhere.safetensors')
    model = distilled(teacher=teacher).eval()
    plain = MODELS.build(ConfigDict(dict(classifier_config(), type='mmpretrain.ImageClassifier'))).eval()
    plain.load_state_dict(model.state_dict())
    inputs, _ = batch()
    assert torch.equal(model(inputs), plain(inputs))
    for mine, its in zip(model.predict(inputs), plain.predict(inputs), strict=True):
        assert torch.equal(mine.pred_score, its.pred_score)
    for stage in ('backbone', 'neck', 'pre_logits'):
        torch.testing.assert_close(model.extract_feat(inputs, stage), plain.extract_feat(inputs, stage), rtol=0, atol=0)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        model.init_weights()


@pytest.mark.parametrize(
    'student',
    [
        dict(backbone=dict(gate=dict(type='msvit.UniformGate'))),
        dict(backbone=dict(type='msvit.MSEViT', prune_at=(1,))),
        dict(neck=dict(type='mmpretrain.LinearNeck', in_channels=16, out_channels=16)),
        dict(backbone=DISTILLED, head=dict(type='msvit.PretrainedDeiTClsHead', in_channels=192)),
    ],
    ids=['gated', 'pruned', 'neck', 'distilled DeiT'],
)
def test_classes_are_those_of_both_whole_classifiers(classifier_config, batch, perturb, student):
    config = classifier_config()
    for part, change in student.items():
        config[part] = {**config.get(part, {}), **change}
    teacher = dict(config, backbone={**classifier_config()['backbone'], **student.get('backbone', {}), 'gate': None})
    if 'prune_at' in teacher['backbone']:
        teacher = classifier_config()
    config = dict(config, type='msvit.DistilledClassifier', teacher=teacher, token_weight=0)
    model = perturb(MODELS.build(ConfigDict(config))).eval()
    perturb(model.teacher, seed=1)
    inputs, samples = batch()
    losses = model.loss(inputs, samples)
    assert torch.equal(losses['loss'], ImageClassifier.loss(model, inputs, samples)['loss'])
    teacher, student = model.teacher(inputs).softmax(1), model(inputs).softmax(1)
    divergence = (teacher * (teacher / student).log()).sum(1).mean()
    assert divergence > 1e-4
    torch.testing.assert_close(losses['loss_distill_class'], 0.5 * divergence, atol=1e-6, rtol=1e-4)


def test_weights_of_a_whole_classifier_are_loaded(distilled, classifier_config, perturb, tmp_path):
    plain = perturb(MODELS.build(ConfigDict(dict(classifier_config(), type='mmpretrain.ImageClassifier'))), seed=3)
    file = save_weights(plain, tmp_path / 'teacher.safetensors')
    model = distilled(teacher=dict(classifier_config(), pretrained=str(file)))
    model.init_weights()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in model.teacher.state_dict().items())
    model = distilled(teacher=dict(classifier_config(arch=dict(depth=1)), pretrained=str(file)))
    with pytest.raises(CheckpointError, match=r"(?s)does not fit the teacher's config.*blocks\.1"):
        model.init_weights()


def test_backbone_and_head_may_bring_their_weights(classifier_config, perturb, tmp_path):
    head = dict(type='msvit.PretrainedClsHead', num_classes=5, in_channels=16)
    plain = dict(classifier_config(), head=head)
    source = perturb(MODELS.build(ConfigDict(dict(plain, type='mmpretrain.ImageClassifier'))), seed=3)
    file = str(save_weights(source, tmp_path / 'teacher.safetensors'))
    teacher = dict(backbone=classifier_config(pretrained=file)['backbone'], head=dict(head, pretrained=file))
    model = MODELS.build(ConfigDict(dict(classifier_config(), type='msvit.DistilledClassifier', teacher=teacher)))
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.teacher.state_dict().items())


def test_a_teacher_without_weights_is_told_of(classifier_config, caplog):
    MMLogger.get_instance('teacher').addHandler(caplog.handler)  # the newest logger is the current one
    config = dict(classifier_config(), type='msvit.DistilledClassifier', teacher=classifier_config())
    MODELS.build(ConfigDict(config)).init_weights()
    assert 'random weights' in caplog.text


def test_a_built_classifier_may_teach(distilled, classifier_config, batch):
    plain = MODELS.build(ConfigDict(dict(classifier_config(), type='mmpretrain.ImageClassifier')))
    model = distilled(teacher=plain)
    assert model.teacher is plain and isinstance(plain, ImageClassifier)
    assert model.loss(*batch())['loss_distill_tokens'] > 0


@pytest.mark.parametrize('other', [dict(arch=dict(embed_dim=32)), dict(arch=dict(patch_size=4), coarse_patch_size=8)])
def test_classes_alone_need_no_common_tokens(distilled, classifier_config, batch, other):
    model = distilled(teacher=classifier_config(**other), options=dict(token_weight=0))
    losses = model.loss(*batch())
    assert set(losses) == {'loss', 'loss_distill_class'}
    sum(losses.values()).backward()


def test_tokens_alone_need_no_common_classes(distilled, classifier_config, batch):
    model = distilled(teacher=classifier_config(num_classes=2), options=dict(class_weight=0))
    assert set(model.loss(*batch())) == {'loss', 'loss_distill_tokens'}


def test_without_weights_nothing_is_taught(distilled, classifier_config, batch):
    options = dict(class_weight=0, token_weight=0)
    model = distilled(teacher=dict(classifier_config(), pretrained='nowhere.safetensors'), options=options)
    model.init_weights()
    assert set(model.loss(*batch())) == {'loss'}


@pytest.mark.parametrize(
    'teacher, message',
    [
        (dict(arch=dict(embed_dim=32)), 'teacher has tokens of width 32, the student tokens of width 16.*token_weight=0'),
        (dict(arch=dict(patch_size=4), coarse_patch_size=8), 'patches of 4 pixels, the student patches of 8.*token_weight=0'),
        (
            dict(gate=dict(type='msvit.UniformGate')),
            'teacher must be dense: .*without a gate.*got MSViT with gate UniformGate',
        ),
        (dict(type='msvit.MSDyViT', prune_at=(1,)), 'teacher must be dense: .*got MSDyViT'),
        (dict(type='msvit.MSEViT', prune_at=(1,)), 'teacher must be dense: .*got MSEViT'),
        (dict(out_type='featmap'), "the teacher's backbone has out_type='featmap': give it out_type='cls_token'"),
        (dict(num_classes=3), 'the teacher tells 3 classes apart, the student 5: .*num_classes.*class_weight=0'),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(classifier_config, batch, teacher, message):
    config = dict(classifier_config(), type='msvit.DistilledClassifier', teacher=classifier_config(**teacher))
    with pytest.raises(ValueError, match=message):
        MODELS.build(ConfigDict(config)).loss(*batch())
    if 'num_classes' not in message:
        with pytest.raises(ValueError, match=message):  # at the start of training, before any data
            MODELS.build(ConfigDict(config)).init_weights()


def test_tokens_that_stand_for_no_place_are_not_compared(distilled, batch):
    student = dict(type='msvit.MSEViT', prune_at=(1,))
    with pytest.raises(ValueError, match='MSEViT fuses .*fuse_inattentive=False, or token_weight=0'):
        distilled(**student).loss(*batch())
    assert distilled(**student, options=dict(token_weight=0)).loss(*batch())['loss_distill_class'] > 0
    assert distilled(**student, fuse_inattentive=False).loss(*batch())['loss_distill_tokens'] > 0


def test_another_normalisation_is_refused(classifier_config, batch):
    theirs, mine = (dict(mean=[mean] * 3, std=[1.0] * 3) for mean in (0.0, 2.0))
    config = dict(classifier_config(), type='msvit.DistilledClassifier', data_preprocessor=mine)
    refused = dict(config, teacher=dict(classifier_config(), data_preprocessor=theirs))
    with pytest.raises(ValueError, match='normalised by .*2.0.*data_preprocessor says .*0.0'):
        MODELS.build(ConfigDict(refused)).init_weights()
    MODELS.build(ConfigDict(dict(config, teacher=dict(classifier_config(), data_preprocessor=mine)))).init_weights()


@pytest.mark.parametrize(
    'change, error, message',
    [
        (dict(class_weight=-1), ValueError, 'class_weight must not be negative, got -1'),
        (dict(token_loss='cosine'), ValueError, "unknown token_loss 'cosine': choose one of 'mse', 'kl'"),
        (dict(teacher='teacher.pth'), TypeError, 'the config of an ImageClassifier.*got str'),
        (dict(head=None), ValueError, 'DistilledClassifier has no head'),
        (dict(backbone=dict(type='mmpretrain.LeNet5')), ValueError, "a backbone of msvit's ViTs.*got LeNet5"),
    ],
)
def test_arguments_out_of_range_are_refused(classifier_config, change, error, message):
    config = {**classifier_config(), 'type': 'msvit.DistilledClassifier', 'teacher': classifier_config(), **change}
    with pytest.raises(error, match=message):
        MODELS.build(ConfigDict(config))
