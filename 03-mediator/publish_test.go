package mediator

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/locktest"
)

// Everything that takes time is tested in a synctest bubble, whose clock goes on
// only when every goroutine in it waits: times are exact to the nanosecond, and a
// goroutine that is left behind fails the test.

type event struct{ name string }

var (
	errMail  = errors.New("mail server away")
	errStock = errors.New("shelf is empty")
)

// takes is a handler that works for a while, minds its context, and then fails
// or not.
func takes(d time.Duration, err error) Handler[event] {
	return func(ctx context.Context, _ event) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// publish tells the handlers, all of them essential, and says how long it took.
func publish(m *Mediator, handlers ...Handler[event]) (time.Duration, error) {
	for i, h := range handlers {
		Subscribe(m, string(rune('A'+i)), Essential, h)
	}
	began := time.Now()
	err := PublisherOf[event](m).Publish(context.Background(), event{})
	return time.Since(began), err
}

func TestTheCustomerWaitsForTheSumOrTheMaximum(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strategy Strategy
		want     time.Duration
	}{
		"sequence": {Sequence, 4*time.Second + 1},
		"parallel": {Parallel, 2*time.Second + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				took, err := publish(New(c.strategy, 0),
					takes(2*time.Second, nil), takes(2*time.Second+1, nil))
				if took != c.want || err != nil {
					t.Errorf("took %d ns and returned %v, want %d ns", took, err, c.want)
				}
			})
		})
	}
}

func TestEveryHandlerIsToldAndEveryErrorReturned(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]Strategy{
		"sequence": Sequence, "parallel": Parallel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := publish(New(strategy, 0), takes(3*time.Second, errMail),
					takes(2*time.Second, nil), takes(time.Second, errStock))
				if !errors.Is(err, errMail) || !errors.Is(err, errStock) {
					t.Errorf("an error is missing in: %v", err)
				}
				if err.Error() != "A: mail server away; C: shelf is empty" {
					t.Errorf("got %q", err)
				}
				outcome := new(PublishError)
				if !errors.As(err, &outcome) || !slices.Equal(outcome.Done, []string{"B"}) {
					t.Errorf("done are %v", outcome.Done)
				}
			})
		})
	}
}

func TestOnlyAnEssentialFailureIsEssential(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ mail, stock error }{
		"e-mail fails":    {errMail, nil},
		"inventory fails": {nil, errStock},
		"both fail":       {errMail, errStock},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New(Sequence, 0)
			Subscribe(m, "mail", BestEffort, takes(0, c.mail))
			Subscribe(m, "stock", Essential, takes(0, c.stock))
			err := PublisherOf[event](m).Publish(t.Context(), event{})
			outcome := new(PublishError)
			if !errors.As(err, &outcome) || outcome.Essential() != (c.stock != nil) {
				t.Errorf("essential is %v of %v", outcome.Essential(), err)
			}
		})
	}
}

func TestAnEventWithoutHandlersIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	if _, err := publish(New(Sequence, 0)); err != nil {
		t.Error(err)
	}
}

func TestAHandlerHasItsTimeAndNoMore(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	for name, c := range map[string]struct {
		strategy Strategy
		want     time.Duration
	}{
		// Each has a limit of its own: the second is not charged for the first.
		"sequence": {Sequence, limit + limit - 1},
		"parallel": {Parallel, limit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				took, err := publish(New(c.strategy, limit),
					takes(limit+1, nil), takes(limit-1, nil))
				if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) ||
					!strings.HasPrefix(err.Error(), "A: took longer than it may: 1s") {
					t.Errorf("got %v", err)
				}
				if took != c.want {
					t.Errorf("took %d ns, want %d", took, c.want)
				}
			})
		})
	}
}

func TestWhatIsDoneTooLateIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took, err := publish(New(Sequence, time.Second),
			func(context.Context, event) error { // does not mind its context
				<-time.After(3 * time.Second)
				return nil
			})
		if err != nil || took != 3*time.Second {
			t.Errorf("took %v and returned %v", took, err)
		}
	})
}

// A handler may have a deadline of its own, for a call that it makes. That it was too
// short is not the mediator's time limit.
func TestAHandlersOwnDeadlineIsNoTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := publish(New(Sequence, time.Minute), func(ctx context.Context, e event) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return takes(time.Hour, nil)(ctx, e)
		})
		if errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestACallerWhoGoesIsNoTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Sequence, time.Minute)
		Subscribe(m, "slow", Essential, takes(time.Minute, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := PublisherOf[event](m).Publish(ctx, event{})
		if errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPanicIsTheHandlersOwnFailure(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]Strategy{
		"sequence": Sequence, "parallel": Parallel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := false
			_, err := publish(New(strategy, time.Minute),
				func(context.Context, event) error { panic(errMail) },
				func(context.Context, event) error {
					var nobody *event
					_ = nobody.name // panics
					return nil
				},
				func(context.Context, event) error { panic("no error at all") },
				func(context.Context, event) error { told = true; return nil })
			nilPointer := runtime.Error(nil)
			panicked := new(PanicError)
			if !errors.Is(err, errMail) || !errors.As(err, &nilPointer) ||
				!errors.As(err, &panicked) ||
				!strings.Contains(err.Error(), "C: panicked at publish_test.go:") {
				t.Errorf("got %v", err)
			}
			if strings.Count(err.Error(), "panicked at publish_test.go:") != 3 || !told {
				t.Errorf("got %v, and the last was told: %v", err, told)
			}
		})
	}
}

func TestAHandlerThatEndsItsGoroutineHasNotDoneItsPart(t *testing.T) {
	t.Parallel()
	_, err := publish(New(Parallel, 0),
		func(context.Context, event) error { runtime.Goexit(); return nil })
	if !errors.Is(err, ErrNotTold) {
		t.Errorf("got %v", err)
	}
}

func TestSubscribingWhileOthersPublish(t *testing.T) {
	t.Parallel()
	m := New(Parallel, 0)
	p := PublisherOf[event](m)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { Subscribe(m, "x", Essential, takes(0, nil)) })
		all.Go(func() {
			if err := p.Publish(t.Context(), event{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(*p.topic.handlers.Load()); n != 50 {
		t.Errorf("%d of 50 have subscribed", n)
	}
}

// Who subscribes copies all that were there before. With very many of them that
// takes long enough for two who begin at the same moment to be at it together, and
// what one of them adds would be lost. Forty times: one loss is enough.
func TestSubscribingAtTheSameMoment(t *testing.T) {
	t.Parallel()
	const crowd, rounds = 20_000, 40
	m := New(Sequence, 0)
	p := PublisherOf[event](m)
	before := make([]subscription[event], crowd)
	p.topic.handlers.Store(&before)
	for range rounds {
		var both sync.WaitGroup
		ready := make(chan struct{})
		for range 2 {
			both.Go(func() {
				<-ready
				Subscribe(m, "x", Essential, takes(0, nil))
			})
		}
		close(ready)
		both.Wait()
	}
	if n := len(*p.topic.handlers.Load()) - crowd; n != 2*rounds {
		t.Errorf("%d of %d have subscribed", n, 2*rounds)
	}
}

func TestWhoSubscribesIsAlone(t *testing.T) {
	t.Parallel()
	m := New(Sequence, 0)
	locktest.Waits(t, &m.mu, func() { Subscribe(m, "x", Essential, takes(0, nil)) })
}

// A publisher may be there before the first handler, and as often as one likes: all
// of them speak of the same topic.
func TestPublishersOfATypeShareItsTopic(t *testing.T) {
	t.Parallel()
	m := New(Sequence, 0)
	first := PublisherOf[event](m)
	Subscribe(m, "x", Essential, takes(0, errMail))
	for _, p := range []Publisher[event]{first, PublisherOf[event](m)} {
		if err := p.Publish(t.Context(), event{}); !errors.Is(err, errMail) {
			t.Errorf("got %v", err)
		}
	}
}

// The panic is that of the handler whose it is: those before it are not told again,
// those after it are told all the same.
func TestAPanicInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]Strategy{
		"sequence": Sequence, "parallel": Parallel,
	} {
		var told [3]atomic.Int64
		tell := func(i int) Handler[event] {
			return func(ctx context.Context, _ event) error {
				told[i].Add(1)
				if i == 1 {
					panic("bug")
				}
				return ctx.Err()
			}
		}
		_, err := publish(New(strategy, 0), tell(0), tell(1), tell(2))
		outcome := new(PublishError)
		if !errors.As(err, &outcome) || !strings.HasPrefix(err.Error(), "B: panicked at") ||
			!slices.Equal(outcome.Done, []string{"A", "C"}) {
			t.Errorf("%s: done are %v, and the error is %v", name, outcome.Done, err)
		}
		for i := range told {
			if n := told[i].Load(); n != 1 {
				t.Errorf("%s: handler %d was told %d times", name, i, n)
			}
		}
	}
}

// Where nobody recovers, the panic takes its way to the publisher.
func TestAPanicThatNobodyRecovers(t *testing.T) {
	t.Parallel()
	m := New(Sequence, 0)
	m.catch = func(*error) {}
	defer func() {
		if r := recover(); r != "bug" {
			t.Errorf("recovered %v", r)
		}
	}()
	_, err := publish(m, func(context.Context, event) error { panic("bug") })
	t.Errorf("it returned %v", err)
}

// What a handler was given to stop by has ended once it has returned, so that
// nothing which listens to it stays behind.
func TestTheContextOfAHandlerEndsWithIt(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*Mediator{
		"time limit": New(Sequence, time.Hour), "in parallel": New(Parallel, time.Hour),
	} {
		var its context.Context
		if _, err := publish(m, func(ctx context.Context, _ event) error {
			its = ctx
			return ctx.Err()
		}); err != nil || its.Err() == nil {
			t.Errorf("%s: it returned %v, and its context has ended with %v", name, err, its.Err())
		}
	}
}

// What the publisher's context says, such as an identity for the log, reaches the
// handlers, whatever is wrapped around them.
func TestTheContextReachesTheHandlers(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "trace")
	says := func(ctx context.Context) error {
		if ctx.Value(key{}) != "trace" {
			return errMail
		}
		return nil
	}
	through := func(ctx context.Context, _ Call, next func(context.Context) error) error {
		return errors.Join(says(ctx), next(ctx))
	}
	failing := func(context.Context, event) error { return errStock }
	panicking := func(context.Context, event) error { panic(errStock) }
	told := func(ctx context.Context, _ event) error { return says(ctx) }
	for name, m := range map[string]func() *Mediator{
		"plain":      func() *Mediator { return New(Sequence, 0) },
		"time limit": func() *Mediator { return New(Sequence, time.Hour) },
		"parallel":   func() *Mediator { return New(Parallel, 0) },
		"behaviours": func() *Mediator { return New(Sequence, 0, through, through) },
		"logging":    func() *Mediator { return New(Sequence, 0, Logging, Timing) },
	} {
		for _, bad := range []Handler[event]{failing, panicking} {
			m := m()
			for _, h := range []Handler[event]{told, bad, told} {
				Subscribe(m, "x", Essential, h)
			}
			if err := PublisherOf[event](m).Publish(ctx, event{}); errors.Is(err, errMail) ||
				!errors.Is(err, errStock) {
				t.Errorf("%s: %v", name, err)
			}
			s := answering(t, m, func(ctx context.Context, _ question) (string, error) {
				return "", says(ctx)
			})
			if _, err := s.Send(ctx, question{}); err != nil {
				t.Errorf("%s: a request: %v", name, err)
			}
		}
	}
}

func TestMessagesOfAnotherTypeAreAnothersBusiness(t *testing.T) {
	t.Parallel()
	type other event
	m := New(Sequence, 0)
	Subscribe(m, "x", Essential, func(context.Context, other) error { return errMail })
	if err := PublisherOf[event](m).Publish(t.Context(), event{}); err != nil {
		t.Error(err)
	}
	if err := PublisherOf[other](m).Publish(t.Context(), other{}); err == nil {
		t.Error("its own event did not reach it")
	}
}
