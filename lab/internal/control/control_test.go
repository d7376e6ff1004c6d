package control_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"course.example/lab/internal/control"
	"course.example/lab/internal/home"
)

func serve(t *testing.T, do func(context.Context, string) (string, error)) home.Record {
	t.Helper()
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c, err := control.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wait, err := c.Serve(ctx, run, "07-rabbitmq", do)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := errors.Join(wait(), c.Close(), run.Close()); err != nil {
			t.Error(err)
		}
	})
	return run.Record()
}

func TestDo(t *testing.T) {
	var got []string
	record := serve(t, func(_ context.Context, act string) (string, error) {
		got = append(got, act)
		if act == "dance" {
			return "", errors.New("the lab does not dance")
		}
		return "did " + act, nil
	})
	if done, err := control.Do(t.Context(), record, "burst 5"); err != nil || done != "did burst 5" {
		t.Fatalf("got %q, %v", done, err)
	}
	_, err := control.Do(t.Context(), record, "dance")
	if err == nil || err.Error() != "the lab does not dance" {
		t.Errorf("got %v", err)
	}
	if strings.Join(got, ", ") != "burst 5, dance" {
		t.Errorf("done: %q", got)
	}
	if record.Step != "07-rabbitmq" || record.Token == "" {
		t.Errorf("record: %+v", record)
	}
}

// Another user of the machine can reach the port, and must not command the run.
func TestStrangersAreSentAway(t *testing.T) {
	record := serve(t, func(context.Context, string) (string, error) {
		t.Error("a stranger was obeyed")
		return "", nil
	})
	stranger := record
	stranger.Token = "guess"
	_, err := control.Do(t.Context(), stranger, "kill producer")
	if err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+record.Control+"/do", strings.NewReader("kill producer"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a token: %s", resp.Status)
	}
}

func TestRunThatIsGone(t *testing.T) {
	record := home.Record{ID: "gone", Control: "127.0.0.1:1"}
	_, err := control.Do(t.Context(), record, "burst 1")
	if err == nil || !strings.Contains(err.Error(), "reach the run gone") {
		t.Errorf("got %v", err)
	}
}

// A process of the run is told where it may ask. What it asks while the run still
// starts is done once it has started.
func TestProcessOfTheRun(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c, err := control.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	env := c.Env()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env["LAB_CONTROL"],
		strings.NewReader("kill silo"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Lab-Token", env["LAB_TOKEN"])
	status := make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			status <- err.Error()
			return
		}
		status <- errors.Join(resp.Body.Close(), errors.New(resp.Status)).Error()
	}()
	got := make(chan string, 1)
	wait, err := c.Serve(ctx, run, "07-rabbitmq",
		func(_ context.Context, act string) (string, error) {
			got <- act
			return act, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if act := <-got; act != "kill silo" {
		t.Errorf("done: %q", act)
	}
	if s := <-status; s != "200 OK" {
		t.Errorf("answered %s", s)
	}
	stop()
	if err := errors.Join(wait(), c.Close(), run.Close()); err != nil {
		t.Error(err)
	}
}
