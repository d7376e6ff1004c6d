package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
	"course.example/12-actors/filestore"
)

// opening is what each account has at the beginning.
const opening = 100

var accounts = []string{"ada", "bob"}

// orders are the transfers of the play, by their identity.
var orders = []struct {
	id    string
	order *Order
}{
	{"1", &Order{From: "ada", To: "bob", Amount: 30}},
	{"2", &Order{From: "ada", To: "bob", Amount: 500}},
}

// Report is what a bank says at the end of its day.
type Report struct {
	Writes    int              // how many there were
	Recovered int64            // all money, after unfinished transfers were carried on
	Balances  map[string]int64 // at the end
	Outcomes  map[string]string
}

func (r Report) total() (sum int64) {
	for _, amount := range r.Balances {
		sum += amount
	}
	return sum
}

func (r Report) String() string {
	return fmt.Sprintf("ada %d, bob %d, together %d", r.Balances["ada"], r.Balances["bob"],
		r.total())
}

// openBank writes the accounts into a new folder.
func openBank(path string) error {
	dir := filestore.Open(path, nil)
	for _, id := range accounts {
		account := engine.NewState[Balance](dir, engine.Key("Account", id))
		err := account.Write(context.Background(), Balance{Amount: opening}, "")
		if err != nil {
			return err
		}
	}
	return nil
}

// bankDay is one process's work: it carries on what was left unfinished, then
// serves the customers, who ask for every transfer, whether they have before or
// not. It kills itself after so many writes; 0 lets it live.
func bankDay(
	path string, killAfter int, kinds func(*filestore.Dir) []*cluster.Kind,
) (Report, error) {
	dir := filestore.Open(path, func(writes int) {
		if writes == killAfter {
			killMyself()
		}
	})
	silo := engine.StartSilo(kinds(dir)...)
	defer engine.Stop(silo)
	if err := carryOn(silo, dir); err != nil {
		return Report{}, err
	}
	recovered, err := balances(silo)
	if err != nil {
		return Report{}, err
	}
	r := Report{Recovered: Report{Balances: recovered}.total(), Outcomes: map[string]string{}}
	for _, o := range orders {
		outcome, err := GetTransferGrainClient(silo, o.id).Run(o.order,
			engine.Within(4*timeout))
		if err != nil {
			return Report{}, fmt.Errorf("transfer %s: %s", o.id, engine.Reason(err))
		}
		r.Outcomes[o.id] = strings.TrimSuffix(
			outcome.GetStatus()+", "+outcome.GetReason(), ", ")
	}
	r.Writes = dir.Writes()
	r.Balances, err = balances(silo)
	return r, err
}

// carryOn calls every transfer. The call activates it, and it knows from its state
// what to do next, if anything. A transfer that nobody calls would keep its
// accounts' promises for ever.
func carryOn(silo *cluster.Cluster, dir *filestore.Dir) error {
	keys, err := dir.Keys("Transfer/")
	if err != nil {
		return err
	}
	for _, key := range keys {
		_, id, _ := strings.Cut(key, "/")
		if _, err := GetTransferGrainClient(silo, id).Run(&Order{},
			engine.Within(4*timeout)); err != nil {
			return fmt.Errorf("carry on %s: %s", key, engine.Reason(err))
		}
	}
	return nil
}

func balances(silo *cluster.Cluster) (map[string]int64, error) {
	all := map[string]int64{}
	for _, id := range accounts {
		standing, err := GetAccountGrainClient(silo, id).Look(&Nothing{}, engine.Within(timeout))
		if err != nil {
			return nil, fmt.Errorf("account %s: %s", id, engine.Reason(err))
		}
		all[id] = standing.GetBalance()
	}
	return all, nil
}

// killMyself is kill -9: no hook, no deferred function, nothing is flushed.
func killMyself() {
	me, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = me.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("cannot kill myself: %v", err))
	}
	select {} // until it has happened
}

// errKilled says that a process ended as it was meant to.
var errKilled = errors.New("killed")

// process runs a bank day in a process of its own.
func process(ctx context.Context, variant, path string, killAfter int) (Report, error) {
	self, err := os.Executable()
	if err != nil {
		return Report{}, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-bank", path, "-kill", strconv.Itoa(killAfter),
		"-variant", variant)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	// Who is killed has no last words. A bank that fails by itself has, and is no
	// proof of anything.
	if killed := new(exec.ExitError); killAfter > 0 && errors.As(err, &killed) &&
		len(out) == 0 && errs.Len() == 0 {
		return Report{}, errKilled
	}
	if err != nil {
		return Report{}, fmt.Errorf("a bank day: %w: %s%s", err, out, &errs)
	}
	var r Report
	if err := json.Unmarshal(out, &r); err != nil {
		return Report{}, fmt.Errorf("read the bank's report: %w in %q", err, out)
	}
	return r, nil
}
