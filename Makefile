# `make help` lists the targets. Those that need .venv make it first, if it is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install demo test torture mutation docs bench check format clean

python := $(CURDIR)/.venv/bin/python
# One thread per process: the tests run in several processes already.
one_thread := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
workers ?= 2

# Another mmselfsup or mmcv on these paths would hide the installed one.
unexport PYTHONPATH PYTHONHOME

help:  ## Print this list.
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16
	@echo 'PYTHON=/path/to/python3.11 picks the interpreter for .venv (CPython 3.10 to 3.13).'

install:  ## Make .venv with everything needed, unless it exists.
	@bash scripts/install.sh

demo: install  ## Pre-train and fine-tune on the built-in demo data, on the CPU, in minutes.
	@PATH="$(CURDIR)/.venv/bin:$$PATH" PYTHON="$(python)" \
		bash train_SSL_with_finetuning_ISIC2019.sh --demo

test: install  ## Run the tests.
	@$(one_thread) "$(python)" -m pytest -n $(workers) $(ARGS)

KILLS ?= 20

torture: install  ## Kill trainings, studies and preparations at random instants and compare (KILLS=20 each).
	@$(one_thread) "$(python)" tests/torture/torture.py --kills $(KILLS) $(ARGS)

MUTANTS ?= 200

mutation: install  ## Change MUTANTS=200 places of the code in turn: does a test notice?
	@"$(python)" -c 'import cosmic_ray, pytest_cov' || { \
		echo "First: $(python) -m pip install -e '.[mutation]'" >&2; exit 1; }
	@nice "$(python)" tests/torture/mutation.py --sample $(MUTANTS) $(ARGS)

docs: install  ## Build the documentation as a site: build/docs/index.html.
	@"$(python)" -c 'import sphinx, myst_parser, furo, sphinx_copybutton' || { \
		echo "First: $(python) -m pip install -e '.[docs]' (Python 3.11 or newer)" >&2; exit 1; }
	@"$(python)" -m sphinx -W --keep-going -b html -d build/doctrees docs/en build/docs

# IMAGES: large JPEG files; SMALL: small ones; LISTS: folder of the fold's lists.
IMAGES ?= data/isic2019/originals
SMALL ?= data/isic2019/images
LISTS ?= data/isic2019/splits
# QUICK=--quick: tiny settings, to check that the scripts work; no results are saved.
QUICK ?=

bench: install  ## Measure speed against other libraries and write docs/en/benchmarks.md.
	@"$(python)" benchmarks/items.py --images "$(IMAGES)" $(BENCH) $(QUICK)
	@"$(python)" benchmarks/reduced_decode.py --images "$(IMAGES)" $(QUICK)
	@"$(python)" benchmarks/features.py --images "$(IMAGES)" $(QUICK)
	@"$(python)" benchmarks/step.py --compile $(BENCH) $(QUICK)
	@"$(python)" benchmarks/methods.py --lightly $(BENCH) $(QUICK)
	@"$(python)" benchmarks/methods.py --transformers --images 8 --size 224 $(QUICK)
	@"$(python)" benchmarks/vit_steps.py $(QUICK)
	@"$(python)" benchmarks/neighbours.py $(QUICK)
	@"$(python)" benchmarks/adapt.py --images 4 $(QUICK)
	@"$(python)" benchmarks/scale.py $(QUICK)
	@OMP_NUM_THREADS=1 "$(python)" benchmarks/growth.py $(QUICK)
	@"$(python)" benchmarks/attention.py $(QUICK)
	@"$(python)" benchmarks/profile_step.py $(QUICK)
	@"$(python)" benchmarks/end_to_end.py --images "$(SMALL)" $(BENCH) $(QUICK) \
		--train-list "$(LISTS)/ISIC_2019_train_fold0.txt" \
		--test-list "$(LISTS)/ISIC_2019_test_fold0.txt"
	@"$(python)" benchmarks/end_to_end.py --equal --images "$(SMALL)" $(BENCH) $(QUICK) \
		--train-list "$(LISTS)/ISIC_2019_train_fold0.txt" \
		--test-list "$(LISTS)/ISIC_2019_test_fold0.txt"
	@"$(python)" benchmarks/end_to_end_dino.py $(BENCH) $(QUICK)
	@"$(python)" benchmarks/end_to_end_dino.py --equal $(BENCH) $(QUICK)
	@"$(python)" benchmarks/overheads.py --images "$(SMALL)" $(QUICK) \
		--train-list "$(LISTS)/ISIC_2019_train_fold0.txt"
	@"$(python)" benchmarks/gpu.py --images "$(SMALL)" $(QUICK)

check: install  ## Run linter, formatter and type checker without changing files.
	@"$(python)" -m ruff check .
	@"$(python)" -m ruff format --check .
	@"$(python)" -m mypy

format: install  ## Format the code.
	@"$(python)" -m ruff check --fix .
	@"$(python)" -m ruff format .

clean:  ## Remove caches and build files, but not .venv, data and results.
	rm -rf build docs/en/reference dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
