# Everything a fresh machine needs is Python >= 3.10 and make.
PYTHON ?= python3
VENV ?= .venv
VENV_DET ?= .venv-det
VENV_OPENMMLAB ?= .venv-openmmlab
JOBS ?= auto

PY := $(VENV)/bin/python
STAMP := $(VENV)/.msvit-installed
PY_DET := $(VENV_DET)/bin/python
STAMP_DET := $(VENV_DET)/.msvit-installed
PY_OPENMMLAB := $(VENV_OPENMMLAB)/bin/python
STAMP_OPENMMLAB := $(VENV_OPENMMLAB)/.msvit-installed
PYTEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST_PARALLEL = -n $(JOBS) --maxprocesses=4 --dist=worksteal
say = @printf '\n== %s\n'

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage lint format setup-det test-det setup-openmmlab test-openmmlab setup-web test-web clean

help:  ## show this list
	@echo 'make TARGET [PYTHON=python3] [VENV=.venv] [JOBS=auto]'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 20

setup: $(STAMP)  ## create the virtual environment and install everything into it
	@echo 'Ready: $(PY)'

demo: $(STAMP)  ## train a mixed-scale Segmenter on generated scenes and show what it does
	$(say) 'Running the demo'
	@$(PY) tools/demo.py

test: lint  ## check the style and the types, then run all tests
	$(say) 'Running the tests (one thread per process)'
	@$(PYTEST_ENV) $(PY) -m pytest $(PYTEST_PARALLEL) tests

coverage: $(STAMP)  ## run all tests and tell which lines they did not reach (much faster from Python 3.12 on)
	@COVERAGE_CORE=sysmon $(PYTEST_ENV) $(PY) -m pytest $(PYTEST_PARALLEL) --cov --cov-report=term tests

lint: $(STAMP)  ## check the style and the types
	$(say) 'Checking the style'
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	$(say) 'Checking the types'
	@$(PY) -m pyright --pythonpath $(PY)

format: $(STAMP)  ## put the sources into the house style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

setup-det: $(STAMP_DET)  ## create a second virtual environment, with mmdet, for detectors
	@echo 'Ready: $(PY_DET)'

test-det: $(STAMP_DET)  ## run the tests of detectors in it, trainings included
	$(say) 'Running the tests of detectors'
	@$(PY_DET) -m pytest tests/test_det tests/test_analysis/test_model_macs.py tests/test_metafile.py

setup-openmmlab: $(STAMP_OPENMMLAB)  ## create a third one, with the original OpenMMLab packages
	@echo 'Ready: $(PY_OPENMMLAB)'

test-openmmlab: $(STAMP_OPENMMLAB)  ## run all tests in it
	$(say) 'Running the tests with the original OpenMMLab packages'
	@$(PYTEST_ENV) $(PY_OPENMMLAB) -m pytest $(PYTEST_PARALLEL) tests

setup-web: $(STAMP)  ## fetch what the tests of the page need beside a browser: Playwright, and ONNX Runtime for browsers by npm
	@$(PY) -m pip install --quiet -e '.[web]'
	@$(PY) -c 'from msvit.page import fetch_runtime; print("Ready:", fetch_runtime())'

test-web: setup-web  ## run the tests of the page in headless Chromium (on Debian and Ubuntu: apt install chromium)
	$(say) 'Running the tests of the page'
	@$(PYTEST_ENV) $(PY) -m pytest -n0 tests/test_export/test_page_site.py tests/test_export/test_page_browser.py

clean:  ## remove the virtual environments, caches and build leftovers; results in work_dirs/ stay
	for venv in $(VENV) $(VENV_DET) $(VENV_OPENMMLAB); do [ ! -e $$venv/pyvenv.cfg ] || rm -rf $$venv; done
	rm -rf build dist projects/msvit.egg-info .pytest_cache .ruff_cache .hypothesis
	find projects configs tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

# torch and torchvision are taken together and unpinned: only so does pip choose two builds that fit.
# The stamp comes last, so an installation that failed or was interrupted is tried again.
$(STAMP): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Python >= 3.10 is needed and "$(PYTHON)" is not: name one, e.g. make $(MAKECMDGOALS) PYTHON=python3.12'; exit 1; }
	$(say) 'Creating the virtual environment $(VENV)'
	@$(PYTHON) -m venv $(VENV) && $(PY) -m pip --version > /dev/null || \
	  { echo '$(PYTHON) cannot create virtual environments. On Debian and Ubuntu: apt install python3-venv'; exit 1; }
	$(say) 'Upgrading pip'
	@$(PY) -m pip install --quiet --upgrade pip
	$(say) 'Installing torch and torchvision (the large download, some minutes)'
	@$(PY) -m pip install --quiet torch torchvision
	$(say) 'Installing msvit with OpenMMLab and the test tools'
	@$(PY) -m pip install --quiet -e '.[onedl,onnx,test]'
	@$(PY) -c 'import torch, torchvision, timm, mmcv, mmengine, mmseg, mmpretrain'
	@touch $@

# Two environments hold an mmcv with compiled operators, which it builds only beside a torch that it finds (no build isolation);
# pip's cache may hold one without, made for $(VENV). The tests run on the CPU: without a visible GPU mmcv needs no nvcc. Its
# operators are a minute of the tests, so they are optimised little (-O1) and compile in a third of the time. `===` takes PyPI's
# release alone; `==` would accept a CPU build of another index too, which PyPI's torchvision cannot be imported with.

# The forks' mmcv is compiled as C++17, which the headers of torch 2.15 are no longer; 2.13 was tried.
$(STAMP_DET): TORCH := torch===2.13.0 torchvision===0.28.0 setuptools
$(STAMP_DET): MMCV := onedl-mmcv
$(STAMP_DET): EXTRAS := onedl,det,test

# The original mmcv asks for pkg_resources, which setuptools 82 dropped; mmseg 1.2.2 refuses mmcv 2.2.
$(STAMP_OPENMMLAB): TORCH := torch===2.6.0 torchvision===0.21.0 setuptools<80
$(STAMP_OPENMMLAB): MMCV := mmcv==2.1.0
$(STAMP_OPENMMLAB): EXTRAS := openmmlab,test

$(STAMP_DET) $(STAMP_OPENMMLAB): setup.py
	$(say) 'Creating the virtual environment $(@D)'
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(say) 'Installing torch and torchvision (the large download, some minutes)'
	@$(@D)/bin/python -m pip install --quiet $(foreach name,$(TORCH),'$(name)') wheel ninja psutil
	$(say) 'Building the operators of mmcv (a C++ compiler for 20 minutes)'
	@MMCV_WITH_OPS=1 FORCE_CUDA=0 CUDA_VISIBLE_DEVICES= MAX_JOBS=$${MAX_JOBS:-2} CFLAGS='-g0 -O1 -DNDEBUG' \
	  $(@D)/bin/python -m pip install --quiet --no-build-isolation --no-cache-dir --no-binary mmcv,onedl-mmcv '$(MMCV)'
	$(say) 'Installing msvit with OpenMMLab and the test tools'
	@$(@D)/bin/python -m pip install --quiet -e '.[$(EXTRAS)]'
	@$(@D)/bin/python -c 'import torchvision, mmcv.ops, mmseg.apis, mmpretrain'
	@touch $@
