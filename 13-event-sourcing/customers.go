package eventsourcing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
)

// Fickle is a customer who changes his mind: he orders, and then wants more and wants it
// cancelled in the same instant, sends each of it until there is an answer, and afterwards
// looks into the history whether all that he was told yes for is there, once. If he then wants to
// be forgotten, he looks whether his order still says who he is.
type Fickle struct {
	URL    string
	Client *http.Client
	Forget bool
}

// Verdict is what a fickle customer has seen.
type Verdict struct {
	Commands int // that he was told yes for
	Missing  int // of them, not in the log
	Twice    int // of them, in the log more than once
	Readable int // answers with his address or his words after he was forgotten
}

// asks is how often a command is sent before it is given up: a database needs its time to
// come back.
const asks = 100

// Once orders and changes his mind, one time.
func (f Fickle) Once(ctx context.Context) (Verdict, error) {
	email := "fickle-" + uuid.NewString() + "@example.com"
	order, key, err := f.ask(ctx, "/orders", `{"user_email": "`+email+`", "items": [
		{"sku": "MUG-CHAN", "quantity": 1, "price_cents": 1250}]}`)
	if err != nil || order == "" {
		return Verdict{}, err
	}
	told := []uuid.UUID{key}
	var mu sync.Mutex
	var group sync.WaitGroup
	var errs []error
	for path, body := range map[string]string{
		"/items":  `{"items": [{"sku": "GO-GOPHER", "quantity": 2, "price_cents": 1999}]}`,
		"/cancel": `{"reason": "changed my mind"}`,
	} {
		group.Go(func() {
			yes, key, err := f.ask(ctx, "/orders/"+order+path, body)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else if yes != "" {
				told = append(told, key)
			}
		})
	}
	group.Wait()
	if len(errs) > 0 {
		return Verdict{}, errs[0]
	}
	v, err := f.check(ctx, order, told)
	if err == nil && f.Forget {
		v.Readable, err = f.forgotten(ctx, order, email)
	}
	return v, err
}

// forgotten asks to be forgotten until there is an answer, and returns how many answers still
// have something personal in them.
func (f Fickle) forgotten(ctx context.Context, order, email string) (readable int, err error) {
	err = f.until(ctx, http.MethodDelete, "/customers/"+email, nil)
	var now Order
	if err == nil {
		err = f.until(ctx, http.MethodGet, "/orders/"+order, &now)
	}
	var history []Happened
	if err == nil {
		err = f.until(ctx, http.MethodGet, "/orders/"+order+"/history", &history)
	}
	shown := []string{now.UserEmail, now.Reason}
	for _, h := range history {
		shown = append(shown, h.Personal)
	}
	for _, text := range shown {
		if text != "" && text != Forgotten {
			readable++
			slog.ErrorContext(ctx, "who is forgotten can still be read", "stream", order)
		}
	}
	return readable, err
}

// until asks until there is an answer, be it that nothing is there any more.
func (f Fickle) until(ctx context.Context, method, path string, into any) error {
	for again := 0; ; again++ {
		status, err := f.call(ctx, method, path, "", uuid.Nil, into)
		if err == nil && (status < 300 || status == http.StatusNotFound) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("status %d", status)
		}
		if again == asks || !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("%s %s has no answer: %w", method, path, err)
		}
	}
}

// ask sends a command until it is answered. The order is "" if the answer is no.
func (f Fickle) ask(ctx context.Context, path, body string) (order string, key uuid.UUID, err error) {
	if key, err = uuid.NewV7(); err != nil {
		return "", key, err
	}
	for range asks {
		var answer struct {
			OrderID string `json:"order_id"`
		}
		status, err := f.call(ctx, http.MethodPost, path, body, key, &answer)
		switch {
		case err == nil && status < 300:
			return answer.OrderID, key, nil
		case err == nil && (status == http.StatusConflict || status == http.StatusNotFound) &&
			path != "/orders":
			return "", key, nil
		case err == nil && status < 500 && status != http.StatusConflict:
			return "", key, fmt.Errorf("%s was answered with %d", path, status)
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return "", key, context.Cause(ctx)
		}
	}
	return "", key, fmt.Errorf("%s was asked %d times, without an answer", path, asks)
}

func (f Fickle) check(ctx context.Context, order string, told []uuid.UUID) (Verdict, error) {
	v := Verdict{Commands: len(told)}
	var history []Happened
	if err := f.until(ctx, http.MethodGet, "/orders/"+order+"/history", &history); err != nil {
		return Verdict{}, err
	}
	times := map[uuid.UUID]int{}
	for _, h := range history {
		times[h.Command]++
	}
	for _, key := range told {
		if times[key] == 0 {
			v.Missing++
			slog.ErrorContext(ctx, "a command that was accepted is not in the log",
				"stream", order, "command", key.String())
		}
		v.Twice += max(0, times[key]-1)
	}
	return v, nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

func (f Fickle) call(
	ctx context.Context, method, path, body string, key uuid.UUID, into any,
) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, f.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	if key != uuid.Nil {
		r.Header.Set("Idempotency-Key", key.String())
	}
	answer, err := f.Client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err == nil && answer.StatusCode < 300 && into != nil {
		err = json.Unmarshal(raw, into)
	}
	return answer.StatusCode, err
}

// Run is fickle so many times, with a pause before each, and logs what was seen. Then it
// waits until ctx ends.
func (f Fickle) Run(ctx context.Context, pause time.Duration, times int) error {
	shop.Ready(ctx)
	var all Verdict
	for range times {
		if !sleep(ctx, pause) {
			return nil
		}
		v, err := f.Once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			slog.WarnContext(ctx, "a customer has given up", "reason", reason(err))
			continue
		}
		all.Commands, all.Missing = all.Commands+v.Commands, all.Missing+v.Missing
		all.Twice, all.Readable = all.Twice+v.Twice, all.Readable+v.Readable
		slog.InfoContext(ctx, "checked", "commands", all.Commands,
			"missing", all.Missing, "repeated", all.Twice, "readable", all.Readable)
	}
	<-ctx.Done()
	return nil
}
