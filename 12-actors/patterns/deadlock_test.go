package main

import (
	"errors"
	"strings"
	"testing"

	"course.example/12-actors/engine"
)

// Every scene says what it is there to say. Not parallel: the generated code
// keeps the factory of a kind in a variable of the package.
func TestDeadlock(t *testing.T) {
	for variant, want := range map[string][]string{
		"right": {"  GrainA/1 answers\n", "while B thinks: GrainA/1 answers\n",
			"deposited 20, the balance is 20\n"},
		"call-chain":    {"error: GrainA/1 → GrainB/1 → GrainA/1 would wait for itself\n"},
		"deadlock":      {"error: GrainA/1 → GrainB/1 → GrainA/1: no answer in time"},
		"blocking-turn": {"while B thinks: no answer in time\n", "the balance is 10\n"},
		"interleaving":  {"deposited 20, the balance is 10\n"},
	} {
		t.Run(variant, func(t *testing.T) {
			out := shown(t, "deadlock", variant)
			for _, line := range want {
				if !strings.Contains(out, line) {
					t.Errorf("did not print %q:\n%s", line, out)
				}
			}
		})
	}
}

// The chain refuses exactly the calls that would close a cycle.
func TestCheck(t *testing.T) {
	t.Parallel()
	chain := Chain{"GrainA/1", "GrainB/1"}
	for next, refused := range map[string]bool{
		"GrainA/1": true, "GrainB/1": true, "GrainA/2": false, "GrainC/1": false, "": false,
	} {
		err := chain.Check(next)
		if found := new(DeadlockError); errors.As(err, &found) != refused {
			t.Errorf("%q after %s: %v", next, chain, err)
		}
	}
	if len(chain) != 2 {
		t.Errorf("the check has changed the chain: %s", chain)
	}
}

// Without a cycle the same calls are answered, waiting and all.
func TestNoCycleNoDeadlock(t *testing.T) {
	silo := engine.StartSilo(asking{timeout: aLongTime, detect: true}.kinds()...)
	defer engine.Stop(silo)
	reply, err := GetGrainBGrainClient(silo, "1").CallBack(
		&Call{Partner: "7"}, engine.Within(aLongTime))
	if err != nil || reply.GetText() != "GrainA/7 answers" {
		t.Errorf("got %v, %v", reply, err)
	}
}

// What nobody can await reaches the caller as an error, with the grain unharmed.
func TestAwaitPassesErrorsOn(t *testing.T) {
	silo := engine.StartSilo(asking{timeout: aLongTime,
		approve: func() { panic("the service is broken") }}.kinds()...)
	defer engine.Stop(silo)
	a := GetGrainAGrainClient(silo, "1")
	_, err := a.Deposit(&Call{Partner: "1", Amount: 10}, engine.Within(aLongTime))
	if got := engine.Reason(err); !strings.Contains(got, "the service is broken") {
		t.Errorf("got %q", got)
	}
	reply, err := a.Answer(&Call{}, engine.Within(aLongTime))
	if err != nil || reply.GetBalance() != 0 {
		t.Errorf("got %v, %v", reply, err)
	}
}
