package mediator

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type question struct{ number int }

func double(_ context.Context, q question) (string, error) {
	return strconv.Itoa(2 * q.number), nil
}

// answering returns a sender for a mediator with that responder.
func answering(
	t *testing.T, m *Mediator, respond Responder[question, string],
) Sender[question, string] {
	t.Helper()
	if err := Respond(m, "clerk", respond); err != nil {
		t.Fatal(err)
	}
	s, err := SenderOf[question, string](m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARequestHasAnAnswer(t *testing.T) {
	t.Parallel()
	pass := func(ctx context.Context, _ Call, next func(context.Context) error) error {
		return next(ctx)
	}
	s := answering(t, New(Sequence, time.Minute, pass, pass), double)
	if answer, err := s.Send(t.Context(), question{21}); answer != "42" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestARequestHasOneResponder(t *testing.T) {
	t.Parallel()
	m := New(Sequence, 0)
	if _, err := SenderOf[question, string](m); !errors.Is(err, ErrNobody) ||
		!strings.Contains(err.Error(), "mediator.question") {
		t.Errorf("without a responder: %v", err)
	}
	answering(t, m, double)
	late := func(context.Context, question) (string, error) { return "late", nil }
	if err := Respond(m, "other clerk", late); !errors.Is(err, ErrTaken) {
		t.Errorf("with a second responder: %v", err)
	}
	s, err := SenderOf[question, string](m)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := s.Send(t.Context(), question{1}); answer != "2" || err != nil {
		t.Errorf("the first responder was replaced: %q, %v", answer, err)
	}
	if _, err := SenderOf[question, int](m); !errors.Is(err, ErrNobody) {
		t.Errorf("with another type of answer: %v", err)
	}
}

func TestARequestFailsAsACallDoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		respond Responder[question, string]
		want    string
	}{
		"error": {func(context.Context, question) (string, error) {
			return "half an answer", errStock
		}, "clerk: shelf is empty"},
		"panic": {func(context.Context, question) (string, error) {
			panic("bug")
		}, "clerk: panicked at request_test.go"},
		"timeout": {func(ctx context.Context, _ question) (string, error) {
			<-ctx.Done()
			return "half an answer", ctx.Err()
		}, "clerk: took longer than it may: 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := answering(t, New(Sequence, time.Second), c.respond)
				answer, err := s.Send(context.Background(), question{})
				if answer != "" || err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("got %q, %v", answer, err)
				}
			})
		})
	}
}
