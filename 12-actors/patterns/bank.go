package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
)

// opening is what each account has at the beginning.
const opening = 100

var accounts = []string{"ada", "bob"}

// orders are the transfers of the play; each has its number as its identity.
var orders = []*Order{
	{From: "ada", To: "bob", Amount: 30},
	{From: "ada", To: "bob", Amount: 500},
}

// day is what a bank says at the end of its day.
type day struct {
	Writes    int              // how many there were
	Recovered int64            // all money, after unfinished transfers were carried on
	Balances  map[string]int64 // at the end
	Outcomes  []string
}

func sum(balances map[string]int64) (sum int64) {
	for _, amount := range balances {
		sum += amount
	}
	return sum
}

func (d day) String() string {
	return fmt.Sprintf("ada %d, bob %d, together %d", d.Balances["ada"], d.Balances["bob"],
		sum(d.Balances))
}

// showTransactions lets the bank live one day in peace, then kills it after each write.
func showTransactions(ctx context.Context, out io.Writer, s settings) error {
	if s.bank != "" { // this is the process that is killed
		d, err := bankDay(s)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(d)
	}
	return inFolder(func(folder string) error {
		return showKills(ctx, out, s.variant, folder)
	})
}

func showKills(ctx context.Context, out io.Writer, variant, folder string) error {
	fmt.Fprintln(out, "Two accounts with 100 each. Transfer 1: 30 from ada to bob. "+
		"Transfer 2: 500 from ada to bob")
	calm, err := killedAfter(ctx, variant, filepath.Join(folder, "calm"), 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  in peace, %d writes: %s\n  transfer 1: %s; transfer 2: %s\n",
		calm.Writes, calm, calm.Outcomes[0], calm.Outcomes[1])

	fmt.Fprintln(out, "\nThe bank is killed with -9 after a write and started again, "+
		"and its customers ask again")
	days := make([]day, calm.Writes+1)
	var all errgroup.Group
	all.SetLimit(4) // a process that starts has hardly any work
	for n := 1; n <= calm.Writes; n++ {
		all.Go(func() (err error) {
			days[n], err = killedAfter(ctx, variant, filepath.Join(folder, fmt.Sprint(n)), n)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	wrong := 0
	for n, d := range days[1:] {
		mark := ""
		if d.Recovered != 2*opening || !maps.Equal(d.Balances, calm.Balances) {
			wrong++
			mark = "  WRONG"
		}
		fmt.Fprintf(out, "  after write %2d: together %d after the restart; in the end %s%s\n",
			n+1, d.Recovered, d, mark)
	}
	fmt.Fprintf(out, "\n%d kills, %d times the books were wrong\n", calm.Writes, wrong)
	return nil
}

// killedAfter runs a bank that is killed after so many writes, and again in peace.
func killedAfter(ctx context.Context, variant, path string, writes int) (day, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return day{}, fmt.Errorf("a folder for the books: %w", err)
	}
	if err := openBank(path, accounts...); err != nil {
		return day{}, err
	}
	if writes > 0 {
		if _, err := process(ctx, variant, path, writes); !errors.Is(err, errKilled) {
			return day{}, fmt.Errorf("the bank should have been killed: %w", err)
		}
	}
	return process(ctx, variant, path, 0)
}

// openBank writes the accounts into a new folder.
func openBank(path string, accounts ...string) error {
	files := OpenFiles(path, nil)
	for _, id := range accounts {
		account := engine.NewState[Balance](files, engine.Key("Account", id))
		if err := account.Write(context.Background(), Balance{Amount: opening}, ""); err != nil {
			return err
		}
	}
	return nil
}

// bankDay is one process's work: it carries on what was left unfinished, then serves the customers,
// who ask for every transfer, whether they have before or not. It kills itself after so many
// writes; 0 lets it live.
func bankDay(s settings) (d day, err error) {
	files := OpenFiles(s.bank, func(writes int) {
		if writes == s.kill {
			killMyself()
		}
	})
	silo := engine.StartSilo(bankKinds(files, s.variant == "no-transaction")...)
	defer engine.Stop(silo)
	if err := carryOn(silo, files); err != nil {
		return d, err
	}
	recovered, err := balances(silo)
	if err != nil {
		return d, err
	}
	d.Recovered = sum(recovered)
	for i, order := range orders {
		outcome, err := transfer(silo, strconv.Itoa(i+1), order)
		if err != nil {
			return d, err
		}
		d.Outcomes = append(d.Outcomes, strings.TrimSuffix(
			outcome.GetStatus()+", "+outcome.GetReason(), ", "))
	}
	d.Writes = files.Writes()
	d.Balances, err = balances(silo)
	return d, err
}

func transfer(silo *cluster.Cluster, id string, order *Order) (*Outcome, error) {
	outcome, err := GetTransferGrainClient(silo, id).Run(order, engine.Within(4*timeout))
	if err != nil {
		return nil, fmt.Errorf("transfer %s: %s", id, engine.Reason(err))
	}
	return outcome, nil
}

// carryOn calls every transfer. The call activates it, and it knows from its state what to do next,
// if anything. A transfer that nobody calls would keep its accounts' promises forever.
func carryOn(silo *cluster.Cluster, files *Files) error {
	keys, err := files.Keys("Transfer/")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := transfer(silo, strings.TrimPrefix(key, "Transfer/"), &Order{}); err != nil {
			return fmt.Errorf("carry on: %w", err)
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
func process(ctx context.Context, variant, path string, killAfter int) (d day, err error) {
	self, err := os.Executable()
	if err != nil {
		return d, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-bank", path, "-kill", strconv.Itoa(killAfter),
		"-pattern", "transactions", "-variant", variant)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	// Who is killed has no last words. A bank that fails by itself has, and is no proof of
	// anything.
	if killed := new(exec.ExitError); killAfter > 0 && errors.As(err, &killed) &&
		len(out) == 0 && errs.Len() == 0 {
		return d, errKilled
	}
	if err != nil {
		return d, fmt.Errorf("a bank day: %w: %s%s", err, out, &errs)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return d, fmt.Errorf("read the bank's report: %w in %q", err, out)
	}
	return d, nil
}
