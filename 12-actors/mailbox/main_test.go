package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// inbox is an actor that hands what it is told to the test.
func inbox(to chan<- any) func() Behaviour {
	return func() Behaviour {
		return func(_ *Actor, msg any) {
			if msg != (Stopping{}) {
				to <- msg
			}
		}
	}
}

// Principle one: isolation. A message is a copy, with nothing in it through
// which sender and receiver could share memory.
func TestIsolationOfMessages(t *testing.T) {
	t.Parallel()
	var check func(name string, of reflect.Type)
	check = func(name string, of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Chan, reflect.Func,
			reflect.Interface, reflect.UnsafePointer:
			t.Errorf("%s is shared, not copied: %s", name, of)
		case reflect.Struct:
			for f := range of.Fields() {
				check(name+"."+f.Name, f.Type)
			}
		default: // a number or a text
		}
	}
	for _, msg := range []any{Open{}, Talk{}, Elaborate{}, Result{}, Again{}, Finished{},
		Failed{}, Stopping{}} {
		check(reflect.TypeOf(msg).Name(), reflect.TypeOf(msg))
	}
}

// Isolation also holds for failures: of two consumers one breaks, and the other
// has lost nothing.
func TestIsolationOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		system := NewSystem()
		defer system.Close()
		answers := make(chan any, 8)
		me := system.Spawn("test", inbox(answers))
		a, b := system.Spawn("a", Consumer), system.Spawn("b", Consumer)
		for range 3 {
			system.Tell(a, Elaborate{1, 1, me}) // the third breaks it
		}
		for range 2 {
			system.Tell(b, Elaborate{2, 2, me})
		}
		synctest.Wait()
		close(answers)
		handled := map[int]int{}
		for answer := range answers {
			r := answer.(Result)
			handled[r.Sum] = r.Handled
		}
		if handled[2] != 2 || handled[4] != 2 {
			t.Errorf("handled by sum: %v", handled)
		}
	})
}

// Principle two: a single thread. Many send at once, the behaviour runs alone;
// the race detector would see it if it did not.
func TestSingleThread(t *testing.T) {
	t.Parallel()
	system := NewSystem()
	const senders, each = 8, 1000
	var inside atomic.Int32
	handled := 0
	all := make(chan struct{})
	counter := system.Spawn("counter", func() Behaviour {
		return func(*Actor, any) {
			if inside.Add(1) > 1 {
				t.Error("two turns at once")
			}
			if handled++; handled == senders*each {
				close(all)
			}
			inside.Add(-1)
		}
	})
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for range each {
				system.Tell(counter, Open{})
			}
		})
	}
	group.Wait()
	<-all
	system.Close()
}

// Principle three: messaging. To send never waits for the receiver, and what one
// sender sends arrives in the order in which it was sent.
func TestMessaging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		system := NewSystem()
		defer system.Close()
		var got []int
		slow := system.Spawn("slow", func() Behaviour {
			return func(_ *Actor, msg any) {
				if r, ok := msg.(Result); ok {
					time.Sleep(time.Second) // in a bubble: its clock
					got = append(got, r.Sum)
				}
			}
		})
		began := time.Now()
		for i := range 100 {
			system.Tell(slow, Result{Sum: i})
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the sender waited %v", waited)
		}
		time.Sleep(100*time.Second + 1)
		synctest.Wait()
		for i := range 100 {
			if len(got) != 100 || got[i] != i {
				t.Fatalf("arrived as %v", got)
			}
		}
	})
}

// Principle four: location transparency. The producer is the same, and so is
// what it says; the consumer lives in another system, behind a socket.
func TestLocationTransparency(t *testing.T) {
	t.Parallel()
	here, there := NewSystem(), NewSystem()
	for _, s := range []*System{here, there} {
		if err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	said := map[string]string{}
	for where, s := range map[string]*System{"near": here, "far": there} {
		consumer := s.Spawn("consumer", Consumer)
		var out strings.Builder
		report := make(chan any, 1)
		me := here.Spawn("test "+where, inbox(report))
		producer := here.Spawn("producer "+where, Producer(&out, 2, me))
		here.Tell(producer, Talk{consumer})
		select {
		case <-report:
		case <-time.After(30 * time.Second):
			t.Fatalf("the conversation with the consumer %s has no end", where)
		}
		said[where] = out.String()
	}
	here.Close()
	there.Close()
	if said["near"] != said["far"] || !strings.Contains(said["far"], "result: 4") {
		t.Errorf("they are not the same: %q", said)
	}
}

// A restart keeps the address and what waits in the mailbox. It loses the state
// and the message that broke it, and nothing else.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		system := NewSystem()
		defer system.Close()
		answers := make(chan any, 8)
		me := system.Spawn("test", inbox(answers))
		var parent, child Address
		parent = system.Spawn("parent", func() Behaviour {
			return func(self *Actor, msg any) {
				switch m := msg.(type) {
				case Open:
					child = self.Spawn("child", Consumer)
					for i := range 5 {
						self.Tell(child, Elaborate{i, 0, me})
					}
				case Failed:
					self.Restart(m.Child)
				}
			}
		})
		system.Tell(parent, Open{})
		synctest.Wait()
		close(answers)
		var got []Result
		for answer := range answers {
			got = append(got, answer.(Result))
		}
		want := []Result{{0, 1}, {1, 2}, {3, 1}, {4, 2}} // the third broke it
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// The function that makes a behaviour can fail, too: at the first start, and at a
// restart. The parent hears of it as of any failure, and the messages wait.
func TestTheConstructorIsSupervised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		system := NewSystem()
		defer system.Close()
		answers := make(chan any, 8)
		me := system.Spawn("test", inbox(answers))
		made := 0
		child := func() Behaviour {
			if made++; made < 3 {
				panic("no database yet")
			}
			return Consumer()
		}
		var reasons []string
		parent := system.Spawn("parent", func() Behaviour {
			return func(self *Actor, msg any) {
				switch m := msg.(type) {
				case Open:
					self.Tell(self.Spawn("child", child), Elaborate{1, 1, me})
				case Failed:
					reasons = append(reasons, m.Reason)
					self.Restart(m.Child)
				}
			}
		})
		system.Tell(parent, Open{})
		synctest.Wait()
		if want := []string{"no database yet", "no database yet"}; !slices.Equal(reasons, want) {
			t.Errorf("the parent heard %q", reasons)
		}
		select {
		case got := <-answers:
			if got != (Result{2, 1}) {
				t.Errorf("got %v", got)
			}
		default:
			t.Error("the message that waited was not answered")
		}
	})
}

// Whoever looks after others ends after them.
func TestStopEndsTheChildrenFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		system := NewSystem()
		var ended []string
		ending := func(me *Actor, msg any) {
			if msg == (Stopping{}) {
				ended = append(ended, me.Self.Name)
			}
		}
		root := system.Spawn("parent", func() Behaviour {
			return func(me *Actor, msg any) {
				if msg == (Open{}) {
					me.Spawn("child", func() Behaviour { return ending })
				}
				ending(me, msg)
			}
		})
		system.Tell(root, Open{})
		synctest.Wait()
		system.Close()
		if strings.Join(ended, " ") != "child parent" {
			t.Errorf("ended: %v", ended)
		}
	})
}

// Without a parent that looks, the producer waits forever; in a bubble "for
// ever" is cheap.
func TestNoSupervisorWaitsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		life, err := Converse(ctx, io.Discard, 4, Careless)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if diagram := Diagram(life); strings.Contains(diagram, "restart") {
			t.Errorf("somebody looked:\n%s", diagram)
		}
	})
}

// The page's picture is what the run draws.
func TestPageShowsTheLife(t *testing.T) {
	t.Parallel()
	same := func(create func() Behaviour) func() Behaviour { return create }
	life, err := Converse(t.Context(), io.Discard, 4, same)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "```mermaid\n" + Diagram(life) + "\n```"; !strings.Contains(string(page), want) {
		t.Errorf("README.md does not have\n%s", want)
	}
}
