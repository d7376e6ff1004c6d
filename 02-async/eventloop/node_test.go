package eventloop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is a JavaScript program of testdata/node, in Go.
type script struct {
	*Loop
	out bytes.Buffer
}

func (s *script) log(text string) { fmt.Fprintln(&s.out, text) }

// says is a callback that logs.
func (s *script) says(text string) func() { return func() { s.log(text) } }

// then is the callback of a promise that logs, and whose result nobody uses.
func (s *script) then(text string) func(any) (any, error) {
	return func(any) (any, error) { s.log(text); return nil, nil }
}

func (s *script) thenValue(value any) (any, error) { s.log(value.(string)); return nil, nil }

func (s *script) caught(err error) (any, error) {
	s.log("caught " + err.Error())
	return "mended", nil
}

var errBroken, errLate = errors.New("broken"), errors.New("late")

const ms = time.Millisecond

var scripts = map[string]func(s *script){
	"timeout-promise-microtask": func(s *script) {
		s.SetTimeout("t", s.says("timeout"), 0)
		s.Resolved(nil).Then("p", s.then("promise"))
		s.QueueMicrotask("m", s.says("microtask"))
		s.log("main")
	},
	"microtask-in-microtask": func(s *script) {
		s.SetTimeout("t", s.says("timeout"), 0)
		s.QueueMicrotask("first", func() {
			s.log("first")
			s.QueueMicrotask("second", s.says("second"))
		})
	},
	"promise-in-timeout": func(s *script) {
		s.SetTimeout("t1", func() {
			s.log("timeout 1")
			s.Resolved(nil).Then("p", s.then("promise"))
		}, 0)
		s.SetTimeout("t2", s.says("timeout 2"), 0)
	},
	"timeout-in-promise": func(s *script) {
		s.Resolved(nil).Then("p", func(any) (any, error) {
			s.log("promise")
			s.SetTimeout("inner", s.says("inner timeout"), 0)
			return nil, nil
		})
		s.SetTimeout("outer", s.says("outer timeout"), 0)
	},
	"one-then-zero": func(s *script) {
		s.SetTimeout("1", s.says("1"), 1*ms)
		s.SetTimeout("0", s.says("0"), 0)
	},
	"negative-delay": func(s *script) {
		s.SetTimeout("1", s.says("1"), 1*ms)
		s.SetTimeout("-5", s.says("-5"), -5*ms)
		s.log("main")
	},
	"longer-first": func(s *script) {
		s.SetTimeout("40", s.says("40"), 40*ms)
		s.SetTimeout("10", s.says("10"), 10*ms)
	},
	"executor-before-return": func(s *script) {
		p := s.NewPromise(func(resolve func(any), _ func(error)) {
			s.log("executor")
			resolve("value")
			s.log("after resolve")
		})
		s.log("main")
		p.Then("p", s.thenValue)
		s.log("end of main")
	},
	"first-answer-counts": func(s *script) {
		s.NewPromise(func(resolve func(any), reject func(error)) {
			resolve("yes")
			resolve("yes again")
			reject(errBroken)
		}).Then("p", s.thenValue)
	},
	"two-chains": func(s *script) {
		s.Resolved(nil).Then("A1", s.then("A1")).Then("A2", s.then("A2"))
		s.Resolved(nil).Then("B1", s.then("B1")).Then("B2", s.then("B2"))
	},
	"promise-from-then": func(s *script) {
		inner := func(any) (any, error) { return s.Resolved("inner"), nil }
		s.Resolved(nil).Then("outer", inner).Then("p", s.thenValue)
		s.Resolved(nil).Then("1", s.then("1")).Then("2", s.then("2")).
			Then("3", s.then("3")).Then("4", s.then("4"))
	},
	"resolved-with-a-promise": func(s *script) {
		inner := s.Resolved("inner")
		s.NewPromise(func(resolve func(any), _ func(error)) { resolve(inner) }).
			Then("p", s.thenValue)
		s.Resolved(nil).Then("1", s.then("1")).Then("2", s.then("2")).Then("3", s.then("3"))
	},
	"error-goes-down-the-chain": func(s *script) {
		s.Resolved(nil).
			Then("throws", func(any) (any, error) { return nil, errBroken }).
			Then("never", s.then("never")).
			Catch("catch", s.caught).
			Then("p", s.thenValue)
	},
	"executor-throws": func(s *script) {
		s.NewPromise(func(_ func(any), reject func(error)) { reject(errBroken) }).
			Catch("catch", s.caught)
		s.log("main")
	},
	"rejection-unhandled": func(s *script) {
		s.SetTimeout("t", s.says("never"), 0)
		s.Rejected(errBroken)
		s.QueueMicrotask("m", s.says("microtask"))
		s.log("main")
	},
	"caught-in-a-microtask": func(s *script) {
		p := s.Rejected(errLate)
		s.QueueMicrotask("m", func() { p.Catch("catch", s.caught) })
		s.SetTimeout("t", s.says("timeout"), 0)
	},
	"caught-a-turn-too-late": func(s *script) {
		p := s.Rejected(errLate)
		s.SetTimeout("t", func() { p.Catch("catch", s.caught) }, 0)
	},
	"await": func(s *script) {
		f := func() *Promise {
			return s.NewPromise(func(resolve func(any), _ func(error)) {
				s.log("f begins")
				s.Resolved(nil).Await("f", func(any, error) {
					s.log("f goes on")
					resolve(nil)
				})
			})
		}
		f().Then("done", s.then("f is done"))
		s.Resolved(nil).Then("p", s.then("promise"))
		s.log("main")
	},
	"two-awaits": func(s *script) {
		f := func(name string) {
			s.log(name + "1")
			s.Resolved(nil).Await(name, func(any, error) { s.log(name + "2") })
		}
		f("A")
		f("B")
		s.log("main")
	},
}

// play runs a script. Node ends with exit status 1 where the loop has an error.
func playScript(t *testing.T, main func(s *script)) string {
	var out string
	synctest.Test(t, func(t *testing.T) {
		s := &script{Loop: New(nil)}
		exit := 0
		if err := s.Run(t.Context(), func() { main(s) }); err != nil {
			exit = 1
		}
		out = fmt.Sprintf("%sexit %d\n", s.out.String(), exit)
	})
	return out
}

// The orders are Node's, as it printed them: version 20 has made the .txt files.
func TestTheOrderIsNodes(t *testing.T) {
	t.Parallel()
	recorded, err := filepath.Glob("testdata/node/*.js")
	if err != nil || len(recorded) != len(scripts) {
		t.Fatalf("%d programs in JavaScript and %d in Go: %v", len(recorded), len(scripts), err)
	}
	for name, main := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile("testdata/node/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if got := playScript(t, main); got != string(want) {
				t.Errorf("here\n%swith node\n%s", got, want)
			}
		})
	}
}

// What is recorded is what the Node of this machine prints, where there is one.
func TestTheRecordsAreNodes(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node on this machine; what it printed elsewhere is compared above")
	}
	for name := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile("testdata/node/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), node, "testdata/node/"+name+".js")
			out, err := cmd.Output()
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%sexit %d\n", out, cmd.ProcessState.ExitCode())
			if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
				t.Errorf("this node prints\n%srecorded is\n%s", got, want)
			}
		})
	}
}
