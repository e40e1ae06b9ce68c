"""Files that a resumed checkpoint names are never removed, unless they are the run's own."""

import torch


def test_the_best_checkpoint_of_another_run_stays(toy_config, tmp_path, run_tool):
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'a', options=('train_cfg.max_iters=3',))
    path, best = tmp_path / 'a' / 'iter_3.pth', tmp_path / 'a' / 'best_mIoU_iter_3.pth'
    assert best.is_file()
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['message_hub']['runtime_info']['best_score'] = 0.0  # the next one is better
    torch.save(checkpoint, path)
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'b', '--resume', path)
    assert best.is_file()
    assert (tmp_path / 'b' / 'best_mIoU_iter_6.pth').is_file()


def test_folders_and_other_files_stay(toy_config, tmp_path, run_tool):
    work_dir = tmp_path / 'w'
    run_tool('train.py', toy_config, '--work-dir', work_dir, options=('train_cfg.max_iters=3',))
    (tmp_path / 'precious').mkdir()
    path = work_dir / 'iter_3.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['message_hub']['runtime_info'].update(best_score=0.0, best_ckpt=str(tmp_path / 'precious'))
    torch.save(checkpoint, path)
    run_tool('train.py', toy_config, '--work-dir', work_dir, '--resume')
    assert (tmp_path / 'precious').is_dir()
    assert (work_dir / 'best_mIoU_iter_6.pth').is_file()
