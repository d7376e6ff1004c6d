package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"course.example/12-actors/engine"
)

// The promise, and its red twin: the process is killed after each write in turn.
func TestKillAtEveryWrite(t *testing.T) {
	for variant, want := range map[string]string{
		"right":          "10 kills, 0 times the books were wrong\n",
		"no-transaction": "2 kills, 2 times the books were wrong\n",
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			if out := shown(t, "transactions", variant); !strings.HasSuffix(out, want) {
				t.Errorf("did not end with %q:\n%s", want, out)
			}
		})
	}
}

// An account alone: every step may be taken twice, promises are not spent twice,
// and all of it survives a new activation.
func TestAccountAlone(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := openBank(path, "ada"); err != nil {
		t.Fatal(err)
	}
	activate := func() *AccountGrain {
		a := &AccountGrain{files: OpenFiles(path, nil)}
		a.Init(named{id: "ada"})
		return a
	}
	leg := func(transfer string, amount int64) *Leg {
		return &Leg{Transfer: transfer, Amount: amount}
	}
	for i, step := range []struct {
		do      string
		leg     *Leg
		yes     bool
		balance int64
	}{
		{"prepare", leg("1", -60), true, 100},
		{"prepare", leg("1", -60), true, 100},
		{"prepare", leg("2", -60), false, 100}, // 60 of 100 are promised
		{"prepare", leg("3", +50), true, 100},
		{"prepare", leg("4", -60), false, 100}, // what may come is not here yet
		{"commit", leg("1", -60), true, 40},
		{"commit", leg("1", -60), true, 40},
		{"prepare", leg("1", -60), true, 40}, // an old coordinator asks again
		{"commit", leg("1", -60), true, 40},
		{"commit", leg("2", -60), true, 40}, // was never promised
		{"abort", leg("3", +50), true, 40},
		{"abort", leg("3", +50), true, 40},
		{"abort", leg("1", -60), true, 40}, // too late, and without effect
		{"prepare", leg("5", -40), true, 40},
	} {
		account, vote := activate(), &Vote{Yes: true} // each time as after a kill
		var err error
		switch step.do {
		case "prepare":
			vote, err = account.Prepare(step.leg, named{id: "ada"})
		case "commit":
			_, err = account.Commit(step.leg, named{id: "ada"})
		case "abort":
			_, err = account.Abort(step.leg, named{id: "ada"})
		}
		standing, lookErr := activate().Look(&Nothing{}, named{id: "ada"})
		if err = errors.Join(err, lookErr); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if vote.GetYes() != step.yes || standing.GetBalance() != step.balance {
			t.Errorf("step %d, %s %v: %v, balance %d", i, step.do, step.leg, vote,
				standing.GetBalance())
		}
	}
}

// Many transfers at once, round in a circle: no money is made, none is lost, and
// nobody owes.
func TestManyTransfersAtOnce(t *testing.T) {
	path := t.TempDir()
	dir := OpenFiles(path, nil)
	const people = 5
	for i := range people {
		key := engine.Key("Account", fmt.Sprint(i))
		account := engine.NewState[Balance](dir, key)
		if err := account.Write(t.Context(), Balance{Amount: opening}, ""); err != nil {
			t.Fatal(err)
		}
	}
	silo := engine.StartSilo(bankKinds(dir, false)...)
	defer engine.Stop(silo)
	var all sync.WaitGroup
	for i := range 100 {
		for range 2 { // and each is asked for twice
			all.Go(func() {
				outcome, err := GetTransferGrainClient(silo, fmt.Sprint("t", i)).Run(&Order{
					From: fmt.Sprint(i % people), To: fmt.Sprint((i + 1 + i%3) % people),
					Amount: int64(20 + i),
				}, engine.Within(6*timeout))
				if err != nil {
					t.Errorf("transfer %d: %s, %v", i, engine.Reason(err), outcome)
				}
			})
		}
	}
	all.Wait()
	sum := int64(0)
	for i := range people {
		b, err := engine.NewState[Balance](dir, engine.Key("Account", fmt.Sprint(i))).Read(t.Context())
		if err != nil || b.Amount < 0 || len(b.Promised) > 0 {
			t.Errorf("account %d: %+v, %v", i, b, err)
		}
		sum += b.Amount
	}
	if sum != people*opening {
		t.Errorf("there were %d, there are %d", people*opening, sum)
	}
}

func TestOrdersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, order := range []*Order{
		{}, {From: "ada", To: "ada", Amount: 1}, {From: "ada", To: "bob"},
		{From: "ada", To: "bob", Amount: -1}, {From: "ada", Amount: 1},
	} {
		if p, err := begin(order); err == nil {
			t.Errorf("%v was begun: %v", order, p)
		}
	}
}
