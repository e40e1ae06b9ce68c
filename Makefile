# Everything a fresh machine needs is Python >= 3.10 and make.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= auto

PY := $(VENV)/bin/python
STAMP := $(VENV)/.msvit-installed
say = @printf '\n== %s\n'

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

help:  ## show this list
	@echo 'make TARGET [PYTHON=python3] [VENV=.venv] [JOBS=auto]'
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

setup: $(STAMP)  ## create the virtual environment and install everything into it
	@echo 'Ready: $(PY)'

demo: $(STAMP)  ## train a mixed-scale Segmenter on generated scenes and show what it does
	$(say) 'Running the demo'
	@$(PY) tools/demo.py

test: lint  ## check the style, then run all tests
	$(say) 'Running the tests (one thread per process)'
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --maxprocesses=4 --dist=worksteal tests

lint: $(STAMP)  ## check the style
	$(say) 'Checking the style'
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(STAMP)  ## put the sources into the house style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:  ## remove the virtual environment, caches and build leftovers; results in work_dirs/ stay
	[ ! -e $(VENV)/pyvenv.cfg ] || rm -rf $(VENV)
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
	@$(PY) -m pip install --quiet -e '.[onedl,test]'
	@$(PY) -c 'import torch, torchvision, timm, mmcv, mmengine, mmseg, mmpretrain'
	@touch $@
