"""Package ``msvit``: the sources live in ``projects/msvit``."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
README = HERE / 'README.md'
# What the configs and data sets need beside OpenMMLab.
TRAINING = [
    'torchvision',
    'scipy',  # the Beta distribution of a gate loss
    'tensorboard',  # a back end of the configs' visualizer
    'tqdm',
    'filelock',
    'scikit-learn',  # the digits of DigitScenes
    'scikit-image',  # its photographs
]
# What the msvit command draws and prints with.
ANALYSIS = [
    'pandas>=2.1',  # tables of figures, and their means over groups
    'matplotlib',
    'seaborn>=0.13',
    'scikit-image',  # outlines of fine regions
    'jinja2',  # the HTML report
    'rich',
    'tqdm',
    'shtab',  # shell completion
]
CONFIG_FOLDERS = sorted({path.parent.relative_to(HERE).as_posix() for path in (HERE / 'configs').rglob('*.py')})
DOCS = ['mkdocs-material', 'mkdocstrings-python']

setup(
    name='msvit',
    version=runpy.run_path(str(HERE / 'projects' / 'msvit' / 'version.py'))['__version__'],
    description='MSViT: dynamic mixed-scale tokenization for Vision Transformers, on OpenMMLab',
    long_description=README.read_text(encoding='utf-8') if README.is_file() else '',
    long_description_content_type='text/markdown',
    url='https://arxiv.org/abs/2307.02321',
    license='Apache-2.0',
    license_files=['LICENSE'],
    keywords='vision transformer, dynamic tokenization, mixed scale, semantic segmentation, OpenMMLab',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    python_requires='>=3.10',
    # Configs lie at the top, where OpenMMLab's users look for them, and travel in the package.
    package_dir={'': 'projects', **{f'msvit.{folder.replace("/", ".")}': folder for folder in CONFIG_FOLDERS}},
    packages=[
        *find_packages('projects', include=['msvit', 'msvit.*']),
        *(f'msvit.{folder.replace("/", ".")}' for folder in CONFIG_FOLDERS),
    ],
    package_data={
        'msvit': [
            'py.typed',
            *('weights/*.safetensors', 'weights/*.json', 'weights/*.md', 'analysis/scales/*.j2', 'page/static/*'),
        ],
        'msvit.configs': ['metafile.yml'],
    },
    # The core: backbones, gates and losses in plain PyTorch.
    install_requires=[
        'torch>=2.6',  # weights_only loading with a list of allowed classes
        'timm>=1.0.20',  # Block.forward takes attn_mask
        'safetensors',
        'huggingface_hub',  # from_pretrained, save_pretrained, push_to_hub
        'numpy',
    ],
    # The two lines of OpenMMLab share their import names: choose one.
    extras_require={
        'onedl': [
            'onedl-mmengine>=0.10.12',
            'onedl-mmcv>=2.3.6',
            'onedl-mmsegmentation>=1.4.2',
            'onedl-mmpretrain>=1.3.6',
            *TRAINING,
        ],
        # mmsegmentation 1.2.2 refuses mmcv 2.2, needs numpy 1, and imports ftfy and regex without declaring them.
        'openmmlab': [
            'mmengine>=0.10.5',
            'mmcv>=2.0.0,<2.2.0',
            'mmsegmentation>=1.2.2',
            'mmpretrain>=1.2.0',
            'numpy<2',
            'ftfy',
            'regex',
            *TRAINING,
        ],
        # `msvit export`, which wants torch 2.7; `msvit.runtime` needs numpy and onnxruntime alone.
        'onnx': ['onnx>=1.18', 'onnxruntime>=1.22', 'onnxscript>=0.4'],
        # The tests of the page in a browser.
        'web': ['playwright'],
        # Beside onedl; mmcv must then be built with its operators: see the Makefile.
        'det': ['onedl-mmdetection>=3.5.1'],
        'analysis': ANALYSIS,
        'docs': DOCS,
        'test': [
            *('pytest', 'pytest-cov', 'pytest-xdist', 'hypothesis', 'ruff', 'setuptools>=77'),
            *('pyright[nodejs]', 'pandas-stubs'),
            *ANALYSIS,
            *DOCS,
        ],
    },
    entry_points={'console_scripts': ['msvit = msvit.cli:main']},
    zip_safe=False,
)
