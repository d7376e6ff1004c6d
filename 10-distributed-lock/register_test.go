package lock

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services"
	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
)

// register is one value in Redis, and the history of all that clients did to it.
type register struct {
	began time.Time
	mu    sync.Mutex
	done  []porcupine.Operation
}

// act is what a client does: it writes a value, or reads where the value is empty.
type act struct{ write string }

// linear is what a register does when there is only one of it.
var linear = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		if write := input.(act).write; write != "" {
			return true, write
		}
		return output == state, state
	},
	DescribeOperation: func(input, output any) string {
		if write := input.(act).write; write != "" {
			return "write " + write
		}
		return fmt.Sprintf("read %q", output)
	},
}

// do carries an act out on a node. A write without a yes has an unknown outcome: it may happen
// at any time until the end.
func (r *register) do(t *testing.T, client int, node *services.Server, acks int, a act) {
	t.Helper()
	nodes := locker(t, on(node, acks), nil).nodes
	op := porcupine.Operation{ClientId: client, Input: a, Call: int64(time.Since(r.began))}
	if a.write != "" {
		vote := nodes.ask(t.Context(), "SET", "register", a.write)[0]
		op.Return = int64(time.Since(r.began))
		if vote.err != nil {
			op.Return = math.MaxInt64
		}
	} else {
		value, err := nodes.clients[0].Get(t.Context(), "register").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Error(err)
			return // what was not read says nothing
		}
		op.Output, op.Return = value, int64(time.Since(r.began))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, op)
}

// TestRegisterAcrossAFailover asks a checker (porcupine) whether clients could believe that there
// is one value. It is no opinion: there is an order of all acts that explains what each saw, or
// there is none.
func TestRegisterAcrossAFailover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		acks         int
		readsBetween bool // a client reads on the primary what the replica has not got
		want         porcupine.CheckResult
	}{
		"asynchronous":                         {0, false, porcupine.Illegal},
		"WAIT 1":                               {1, false, porcupine.Ok},
		"WAIT 1, and reads of the unconfirmed": {1, true, porcupine.Illegal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			r := &register{began: time.Now()}
			var all sync.WaitGroup
			for client := range 4 {
				all.Go(func() {
					for n := range 4 {
						r.do(t, client, p.primary, c.acks, act{fmt.Sprintf("%d-%d", client, n)})
						r.do(t, client, p.primary, 0, act{})
					}
				})
			}
			all.Wait()
			p.silence()
			r.do(t, 4, p.primary, c.acks, act{"last"})
			if c.readsBetween {
				r.do(t, 5, p.primary, 0, act{})
			}
			p.failover(t)
			r.do(t, 6, p.replica, 0, act{})

			got, how := porcupine.CheckOperationsVerbose(linear, r.done, patience)
			if got != c.want {
				t.Errorf("linearizable: %v, want %v", got, c.want)
			}
			if dir := os.Getenv("PICTURES"); dir != "" { // of the order that was found, or not
				file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".html")
				if err := porcupine.VisualizePath(linear, how, file); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
