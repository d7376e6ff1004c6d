# Everything is done by the lab (go run ./lab -h); these are short names for it.
# A target is explained by the ## comment behind it: make help prints them.
#
# ARGS passes flags on:   make run-07 ARGS="-for 20s -variant auto-ack"
# PART is a part of a step that has several, each a folder with a lab.yaml.

GO ?= go

# The lab is built by its module alone, and so are the programs it starts: in the workspace Go
# wants to read the go.mod of everything that any step depends on, before the first order flows.
LAB = GOWORK=off $(GO) build -C lab -buildvcs=false -o ../.lab/bin/ . && GOWORK=off .lab/bin/lab

.DEFAULT_GOAL := help
.PHONY: help test progress soak mutants break score up down status doctor fmt tidy bump clean

help: ## this list
	@echo "make TARGET, where TARGET is"
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "The steps:"
	@for dir in $(STEPS); do echo "  $$dir"; done

# A step is a folder with a lab.yaml, a module is a line of go.work: nothing
# here has to change when one is added.
STEPS = $(sort $(patsubst %/lab.yaml,%,$(wildcard [0-9][0-9]-*/lab.yaml)))
# The parts of a step are folders in it, with experiments of their own.
PARTS = $(sort $(patsubst %/lab.yaml,%,$(wildcard [0-9][0-9]-*/*/lab.yaml)))
# MODULES prints the folder of each module on a line of its own: there may be a space in it.
MODULES = $(GO) list -m -f '{{.Dir}}'

run-%: ## run a step and watch it: make run-07
	@$(LAB) run $*$(PART:%=/%) $(ARGS)

dev-%: ## run a step while you write it: every save is built and started: make dev-07
	@$(LAB) run $*$(PART:%=/%) -dev $(ARGS)

slide-%: ## run the lecture's own code: make slide-07
	@$(LAB) run $*$(PART:%=/%) -variant slide $(ARGS)

break-%: ## break a step on purpose: make break-07
	@$(LAB) break $*$(PART:%=/%) $(ARGS)

test: ## vet, staticcheck and test every module, with the race detector
	@$(LAB) test $(ARGS)

test-%: ## the same for one step: make test-07
	@$(LAB) test $* $(ARGS)

check-%: ## the exercises of a step, or the verdict on one: make check-07, make check-07.2
	@$(LAB) check $(ARGS) $*

hint-%: ## the next hint for an exercise: make hint-07.2
	@$(LAB) hint $*

progress: ## what you have done of all exercises
	@$(LAB) progress $(ARGS)

soak: ## everything again and again, beside a program that keeps the machine busy; hours
	@$(LAB) test -repeat 10 -stress -long $(ARGS)

mutants: ## take promises away, one at a time; a test must fail: make mutants ARGS=07
	@$(GO) run ./lab mutants $(ARGS)

break: ## break every step and every part
	@for dir in $(sort $(STEPS) $(PARTS)); do echo "— $$dir"; \
		$(LAB) break $$dir $(ARGS) || failed=1; done; exit $${failed:-0}

score: ## measure the four questions and write the pages; ARGS="03 07 -quick" shows two
	@GOWORK=off $(GO) build -C score -buildvcs=false -o ../.lab/bin/ . && GOWORK=off .lab/bin/score $(ARGS)

# 7 is 07.
DIR = $(filter $(if $(filter 1 2 3 4 5 6 7 8 9,$*),0$*,$*)-%,$(STEPS))

bench-%: ## run the benchmarks of a step: make bench-07
	@$(if $(DIR),,echo "there is no step $*: the steps are $(STEPS)"; exit 1;) \
	for mod in $(DIR)/go.mod $(wildcard $(DIR)/bench/go.mod); do \
		(cd $${mod%/go.mod} && $(GO) test -run '^$$' -bench . $(ARGS) ./...) || exit 1; done

up: ## start the servers and leave them running
	@$(LAB) up $(ARGS)

down: ## stop what up has started
	@$(LAB) down $(ARGS)

status: ## what is running
	@$(LAB) status $(ARGS)

doctor: ## what this machine has, what it lacks, and the command that mends it
	@$(LAB) doctor $(ARGS)

fmt: ## format the code of every module
	@dirs=$$($(MODULES)) && echo "$$dirs" | while IFS= read -r dir; do (cd "$$dir" && $(GO) fmt ./...) || exit 1; done

tidy: ## tidy the go.mod of every module
	@dirs=$$($(MODULES)) && echo "$$dirs" | while IFS= read -r dir; do (cd "$$dir" && GOWORK=off $(GO) mod tidy) || exit 1; done

bump: ## take the newest versions of what every module needs; then make test
	@dirs=$$($(MODULES)) && echo "$$dirs" | while IFS= read -r dir; do \
		(cd "$$dir" && export GOWORK=off && $(GO) get -u ./... && $(GO) mod tidy) || exit 1; done

clean: ## stop what up has started, and remove what the lab has left behind
	@status=$$($(LAB) status) && case "$$status" in *"run  "*) \
		echo "a run of the lab is going on; end it first:"; echo "$$status"; exit 1;; esac
	@$(LAB) down
	rm -rf .lab
